import { readFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { type CallOptions, defaultClient } from "./client.ts";
import { ConflictError } from "./errors.ts";
import type { Secret as SecretInfo } from "./generated/api.ts";

export type { SecretInfo };

type Values = { readonly [name: string]: string };

export interface LookupOptions extends CallOptions {
  readonly requiredKeys?: readonly string[] | undefined;
}

/** Environment variables that a program should not have to spell out. */
export class Secret {
  /** Its name at the server; undefined for one made with `fromObject`. */
  readonly name: string | undefined;
  /** Private, so that printing or serializing a secret does not show its values. */
  readonly #values: Values;

  private constructor(name: string | undefined, values: Values) {
    this.name = name;
    this.#values = values;
  }

  /** A secret kept by the server. Whether it exists is seen when it is used. */
  static fromName(name: string): Secret {
    return new Secret(name, {});
  }

  /** A secret that lives in this program only: its values go into the environment of what it is passed to. */
  static fromObject(values: Values): Secret {
    return new Secret(undefined, { ...values });
  }

  /** As `fromObject`, of the variables in a dotenv file. */
  static async fromDotenv(path = ".env"): Promise<Secret> {
    const parsed: Record<string, string | undefined> = parseEnv(await readFile(path, "utf8"));
    return Secret.fromObject(Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, value ?? ""])));
  }

  /**
   * A secret kept by the server, once it is sure that it is there and has these keys.
   * @throws NotFoundError; ConflictError for a key that it does not have
   */
  static async lookup(name: string, options: LookupOptions = {}): Promise<Secret> {
    const { client = defaultClient(), signal, requiredKeys = [] } = options;
    const { keys } = await client.request("getSecret", { params: { name }, signal });
    const missing = requiredKeys.filter((key) => !keys.includes(key));
    if (missing.length === 0) return Secret.fromName(name);
    const hint = "Add the missing keys with Secret.update.";
    throw new ConflictError(`cannot use the secret "${name}": it has no ${missing.join(", ")}`, {
      code: "conflict",
      hint,
    });
  }

  /** Sets these keys of a secret at the server and leaves the others; a key whose value is null is removed. */
  static update(
    name: string,
    values: { readonly [name: string]: string | null },
    options: CallOptions = {},
  ): Promise<SecretInfo> {
    const { client = defaultClient(), signal } = options;
    const kept = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null);
    const unset = Object.keys(values).filter((key) => values[key] === null);
    return client.request("updateSecret", { params: { name }, body: { set: Object.fromEntries(kept), unset }, signal });
  }

  /** Creates or replaces a secret at the server. */
  static put(name: string, values: Values, options: CallOptions = {}): Promise<SecretInfo> {
    const { client = defaultClient(), signal } = options;
    return client.request("putSecret", { params: { name }, body: { values }, signal });
  }

  /** Names and keys of all secrets, never their values. */
  static async list(options: CallOptions = {}): Promise<readonly SecretInfo[]> {
    const { client = defaultClient(), signal } = options;
    return (await client.request("listSecrets", { signal })).items;
  }

  static async delete(name: string, options: CallOptions = {}): Promise<void> {
    const { client = defaultClient(), signal } = options;
    await client.request("deleteSecret", { params: { name }, signal });
  }

  /**
   * `secrets` and `env` as the server takes them: names, and one environment in which later secrets win over earlier ones
   * and `env` over all.
   */
  static merge(secrets: readonly (Secret | string)[] | undefined, env: Values | undefined) {
    const all = (secrets ?? []).map((secret) => (typeof secret === "string" ? Secret.fromName(secret) : secret));
    const names = all.flatMap((secret) => secret.name ?? []);
    const values = Object.assign({}, ...all.map((secret) => secret.#values), env) as Values;
    return { secrets: names.length > 0 ? names : undefined, env: Object.keys(values).length > 0 ? values : undefined };
  }
}

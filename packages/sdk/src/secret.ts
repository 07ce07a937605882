import { type CallOptions, defaultClient } from "./client.ts";
import type { Secret as SecretInfo } from "./generated/api.ts";

export type { SecretInfo };

type Values = { readonly [name: string]: string };

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

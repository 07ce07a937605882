import type { Secret, SecretUpdate } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import type { SecretRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Seal } from "./seal.ts";

export type Environment = Readonly<Record<string, string>>;

/** How long a secret without a name is kept after its last use: nobody can find it to delete it. */
const unnamedKeptMs = 30 * 24 * 3_600_000;
/** How exactly it is known when one was last used. */
const usePrecisionMs = 3_600_000;
const namePattern = /^([a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\/)?[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
const nameHint = "Use letters, digits, '.', '_' and '-'; at most 64.";
const idPattern = /^st-[0-9A-Za-z]{22}$/;

/** Sets of environment variables whose values leave only into sandboxes. They are found by name or id. */
export class Secrets {
  readonly #store: Store;
  readonly #seal: Seal;

  constructor(store: Store, seal: Seal) {
    this.#store = store;
    this.#seal = seal;
  }

  /** Creates or replaces. @throws AtollError invalid_argument for a name that could be an id */
  put(name: string, values: Environment): Secret {
    if (!namePattern.test(name))
      throw new AtollError("invalid_argument", `cannot name a secret ${JSON.stringify(name)}`, nameHint);
    if (idPattern.test(name)) throw new AtollError("invalid_argument", `cannot name a secret "${name}": that is an id`);
    const earlier = this.#store.secrets.named(name);
    return this.#write({ id: earlier?.id ?? newId("st"), name, createdAt: earlier?.createdAt ?? Date.now() }, values);
  }

  /** One without a name, for who knows its id. */
  create(values: Environment): Secret {
    return this.#write({ id: newId("st"), name: undefined, createdAt: Date.now() }, values);
  }

  /** Changes these keys, and leaves the others. @throws AtollError not_found */
  update(given: string, { set = {}, unset = [] }: SecretUpdate): Secret {
    const row = this.#row(given);
    const values: Record<string, string> = { ...this.#open(row), ...set };
    for (const key of unset) delete values[key];
    return this.#write(row, values);
  }

  /** Those that have a name. */
  list(): Secret[] {
    return this.#store.secrets.list().map(view);
  }

  /** By name; undefined when there is none. */
  find(name: string): Secret | undefined {
    const row = this.#store.secrets.named(name);
    return row && view(row);
  }

  /** @throws AtollError not_found */
  get(given: string): Secret {
    return view(this.#row(given));
  }

  /** @throws AtollError not_found */
  remove(given: string): void {
    const { id } = this.#row(given);
    this.#store.durably(() => this.#store.secrets.remove(id));
  }

  /** The variables of all of them; of equal ones the last wins. @throws AtollError not_found */
  environment(given: readonly string[]): Environment {
    const rows = given.map((each) => this.#row(each));
    const now = Date.now();
    for (const { id, usedAt } of rows) if (now - usedAt > usePrecisionMs) this.#store.secrets.touch(id, now);
    return Object.assign({}, ...rows.map((row) => this.#open(row)));
  }

  removeUnused(now: number): void {
    this.#store.secrets.removeUnnamedBefore(now - unnamedKeptMs);
  }

  #write({ id, name, createdAt }: Pick<SecretRow, "id" | "name" | "createdAt">, values: Environment): Secret {
    const unusable = Object.entries(values).find(([key, value]) => /^$|[=\0]/.test(key) || value.includes("\0"));
    if (unusable) {
      const key = JSON.stringify(unusable[0]);
      throw new AtollError("invalid_argument", `cannot keep ${key} in a secret: it cannot be an environment variable`);
    }
    const now = Date.now();
    const sealed = this.#seal.close(JSON.stringify(values), purpose({ id, name }));
    const row = { id, name, keys: Object.keys(values).sort(), sealed, createdAt, updatedAt: now, usedAt: now };
    this.#store.durably(() => this.#store.secrets.put(row));
    return view(row);
  }

  #open(row: SecretRow): Environment {
    return JSON.parse(this.#seal.open(row.sealed, purpose(row))) as Environment;
  }

  #row(given: string): SecretRow {
    const { secrets } = this.#store;
    const row = idPattern.test(given) ? secrets.get(given) : secrets.named(given);
    if (row) return row;
    throw new AtollError("not_found", `cannot find the secret "${given}"`, "Create it, or correct the name.");
  }
}

function purpose({ id, name }: Pick<SecretRow, "id" | "name">): string {
  return `secret ${name ?? id}`;
}

function view(row: SecretRow): Secret {
  return {
    id: row.id,
    ...(row.name !== undefined && { name: row.name }),
    keys: [...row.keys],
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  };
}

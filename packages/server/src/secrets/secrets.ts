import type { Secret } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { SecretRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Seal } from "./seal.ts";

export type Environment = Readonly<Record<string, string>>;

/** Named sets of environment variables whose values leave only into sandboxes. */
export class Secrets {
  readonly #store: Store;
  readonly #seal: Seal;

  constructor(store: Store, seal: Seal) {
    this.#store = store;
    this.#seal = seal;
  }

  put(name: string, values: Environment): Secret {
    const now = Date.now();
    const row: SecretRow = {
      name,
      keys: Object.keys(values).sort(),
      sealed: this.#seal.close(JSON.stringify(values), purpose(name)),
      createdAt: this.#store.secrets.get(name)?.createdAt ?? now,
      updatedAt: now,
    };
    this.#store.durably(() => this.#store.secrets.put(row));
    return view(row);
  }

  list(): Secret[] {
    return this.#store.secrets.list().map(view);
  }

  get(name: string): Secret {
    return view(this.#row(name));
  }

  remove(name: string): void {
    this.#row(name);
    this.#store.durably(() => this.#store.secrets.remove(name));
  }

  /** The variables of all of them; of equal ones the last wins. */
  environment(names: readonly string[]): Environment {
    return Object.assign({}, ...names.map((name) => this.#values(name)));
  }

  #values(name: string): Environment {
    return JSON.parse(this.#seal.open(this.#row(name).sealed, purpose(name))) as Environment;
  }

  #row(name: string): SecretRow {
    const row = this.#store.secrets.get(name);
    if (row) return row;
    throw new AtollError("not_found", `cannot find the secret "${name}"`, "Create it, or correct the name.");
  }
}

function purpose(name: string): string {
  return `secret ${name}`;
}

function view(row: SecretRow): Secret {
  return {
    name: row.name,
    keys: [...row.keys],
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  };
}

import type { App } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import type { AppRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

export const defaultApp = "default";

/** Apps group sandboxes. The one named "default" always exists. */
export class Apps {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    if (!store.apps.named(defaultApp)) this.#make(defaultApp);
  }

  lookup(name: string, createIfMissing: boolean): App {
    const row = this.#store.apps.named(name);
    if (row) return view(row);
    if (createIfMissing) return view(this.#make(name));
    throw new AtollError("not_found", `cannot find the app "${name}"`, "Look it up with createIfMissing to make it.");
  }

  /** @throws AtollError not_found */
  get(id: string): App {
    const row = this.#store.apps.list().find((app) => app.id === id);
    if (row) return view(row);
    throw new AtollError("not_found", `cannot find the app ${JSON.stringify(id)}`);
  }

  list(): App[] {
    return this.#store.apps.list().map(view);
  }

  #make(name: string): AppRow {
    const row = { id: newId("ap"), name, createdAt: Date.now() };
    this.#store.durably(() => this.#store.apps.insert(row));
    return row;
  }
}

function view(row: AppRow): App {
  return { id: row.id, name: row.name, createdAt: new Date(row.createdAt).toISOString() };
}

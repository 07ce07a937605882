/** What apps, volumes, secrets and images are named in. Those of `main` have their names alone, others `environment/name`. */
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import type { Catalogue } from "../images/catalogue.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { EnvironmentRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Volumes } from "../volumes/volumes.ts";

/** There always, and for good. */
export const mainEnvironment: EnvironmentRow = { id: `en-${"0".repeat(22)}`, name: "main", createdAt: 0 };
const everything = Number.MAX_SAFE_INTEGER - 1;

export interface EnvironmentParts {
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly secrets: Secrets;
  readonly volumes: Volumes;
  readonly sandboxes: Sandboxes;
}

export class Environments {
  readonly #parts: EnvironmentParts;

  constructor(parts: EnvironmentParts) {
    this.#parts = parts;
  }

  list(): readonly EnvironmentRow[] {
    return [mainEnvironment, ...this.#parts.store.environments.list()];
  }

  find(name: string): EnvironmentRow | undefined {
    return name === mainEnvironment.name ? mainEnvironment : this.#parts.store.environments.named(name);
  }

  /** @throws AtollError not_found */
  get(name: string): EnvironmentRow {
    const found = this.find(name);
    if (found) return found;
    throw new AtollError("not_found", `cannot find the environment "${name}"`, "Create it, or correct the name.");
  }

  /** @throws AtollError invalid_argument, conflict */
  create(name: string): EnvironmentRow {
    this.#checkNew(name);
    const row = { id: newId("en"), name, createdAt: Date.now() };
    this.#parts.store.durably(() => this.#parts.store.environments.insert(row));
    return row;
  }

  /** @throws AtollError not_found, invalid_argument, conflict also while anything is in it */
  rename(name: string, to: string): void {
    const { id } = this.#changeable(name);
    if (name === to) return;
    this.#checkNew(to);
    const { volumes, secrets, images, apps } = this.#contents(name);
    if (volumes.length + secrets.length + images.length + apps.length > 0) {
      const hint = "Names of what is in it begin with its own: create another environment instead.";
      throw new AtollError("conflict", `cannot rename the environment "${name}": it is not empty`, hint);
    }
    this.#parts.store.durably(() => this.#parts.store.environments.rename(id, to));
  }

  /** Removes it with all that is in it; its sandboxes end first. @throws AtollError not_found, invalid_argument */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    const { id } = this.#changeable(name);
    const { sandboxes, volumes, secrets, catalogue, store } = this.#parts;
    const { apps } = this.#contents(name);
    const running = apps.flatMap((app) => sandboxes.list({ app, tags: {}, all: false, limit: everything }).items);
    await Promise.all(running.map((sandbox) => sandboxes.terminate(sandbox.id, signal)));
    const contents = this.#contents(name);
    for (const volume of contents.volumes) await volumes.remove(volume);
    for (const secret of contents.secrets) secrets.remove(secret);
    for (const image of contents.images) await catalogue.remove(image);
    store.durably(() => store.environments.remove(id));
  }

  #contents(name: string) {
    const { store, volumes, secrets, catalogue } = this.#parts;
    const isIn = (given: string | undefined): given is string => given?.startsWith(`${name}/`) === true;
    return {
      apps: store.apps
        .list()
        .map((app) => app.name)
        .filter(isIn),
      volumes: volumes
        .list()
        .map((volume) => volume.name)
        .filter(isIn),
      secrets: secrets
        .list()
        .map((secret) => secret.name)
        .filter(isIn),
      images: catalogue
        .list()
        .flatMap((image) => image.names)
        .filter(isIn),
    };
  }

  #changeable(name: string): EnvironmentRow {
    if (name !== mainEnvironment.name) return this.get(name);
    throw new AtollError("invalid_argument", `cannot change the environment "${name}": it is always there`);
  }

  #checkNew(name: string): void {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/.test(name)) {
      const hint = "Use letters, digits, '.', '_' and '-'; at most 64.";
      throw new AtollError("invalid_argument", `cannot name an environment ${JSON.stringify(name)}`, hint);
    }
    if (this.find(name))
      throw new AtollError("conflict", `cannot name an environment "${name}": there is one of that name`);
  }
}

/** The volumes of this machine: their names, what they consist of, and how that changes: one change at a time, each whole or not at all. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Volume } from "@atoll/protocol";
import type { Leak } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import { newId, randomText } from "../id.ts";
import type { Catalogue } from "../images/catalogue.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import type { VolumeRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { Turns } from "../turns.ts";

/** An ephemeral volume lives so long after the last heartbeat. */
export const ephemeralMs = 15 * 60_000;
/** Look-ups become slower with each layer: above this many they are made one. */
const mostCommits = 16;
const idPattern = /^vo-[0-9A-Za-z]{22}$/;

export interface VolumesParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly catalogue: Catalogue;
  /** Holds the directories of shared volumes. */
  readonly directory: string;
}

export class Volumes {
  readonly #parts: VolumesParts;
  /** Changes of one volume follow each other. */
  readonly #turns = new Turns();
  /** Directories of shared volumes that have no row yet. */
  readonly #making = new Set<string>();

  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  /** @param name none: it is ephemeral. @throws AtollError conflict, invalid_argument */
  async create(name: string | undefined, isShared = false, format = 1): Promise<Volume> {
    if (name !== undefined) this.#checkName(name);
    const id = newId("vo");
    this.#making.add(id);
    try {
      if (isShared) {
        // What sandboxes write there, as root too, is for no other user of the machine.
        await mkdir(this.#parts.directory, { recursive: true, mode: 0o700 });
        await mkdir(this.#sharedPath(id), { mode: 0o755 });
      }
      if (name !== undefined) this.#checkName(name);
      const now = Date.now();
      const expiresAt = name === undefined ? now + ephemeralMs : undefined;
      const row = { id, name, isShared, format, layers: [], version: 0, createdAt: now, updatedAt: now, expiresAt };
      this.#parts.store.durably(() => this.#parts.store.volumes.insert(row));
      return this.#view(row);
    } finally {
      this.#making.delete(id);
    }
  }

  /** Finds it by name, or makes it. @throws AtollError not_found, conflict when it is of the other kind */
  async lookup(
    name: string,
    createIfMissing: boolean,
    isShared: boolean | undefined,
    format?: number,
  ): Promise<Volume> {
    const row = this.#parts.store.volumes.named(name);
    if (!row && createIfMissing) return this.create(name, isShared, format);
    if (!row) throw noVolume(name);
    if (isShared !== undefined && isShared !== row.isShared) {
      const kind = row.isShared ? "shared" : "not shared";
      throw new AtollError("conflict", `cannot use the volume "${name}" so: it is ${kind}`, "Choose another name.");
    }
    return this.#view(row);
  }

  list(): Volume[] {
    return this.#parts.store.volumes.list().map((row) => this.#view(row));
  }

  get(given: string): Volume {
    return this.#view(this.row(given));
  }

  rename(given: string, name: string): Volume {
    const row = this.row(given);
    if (row.name === name) return this.#view(row);
    this.#checkName(name);
    row.name = name;
    row.expiresAt = undefined;
    this.#parts.store.durably(() => this.#parts.store.volumes.update(row));
    return this.#view(row);
  }

  /** Keeps an ephemeral volume for another while; does nothing to others. */
  heartbeat(given: string): Volume {
    const row = this.row(given);
    if (row.expiresAt !== undefined) {
      row.expiresAt = Date.now() + ephemeralMs;
      this.#parts.store.volumes.update(row);
    }
    return this.#view(row);
  }

  /** @throws AtollError not_found, conflict while a sandbox has it mounted */
  async remove(given: string): Promise<void> {
    const { store, catalogue, layers } = this.#parts;
    const { id, isShared } = this.row(given);
    await this.alone(id, async () => {
      const row = this.row(id);
      const [user] = store.volumeMounts.users(id);
      if (user !== undefined) {
        const hint = "Terminate the sandboxes that use it first.";
        throw new AtollError("conflict", `cannot delete the volume ${row.name ?? id}: ${user} uses it`, hint);
      }
      store.durably(() => store.volumes.remove(id));
    });
    if (isShared) await layers.removeTree(this.#sharedPath(id));
    else await catalogue.removeUnusedLayers();
  }

  /** Removes ephemeral ones whose time is over and that nobody uses. */
  async expire(now: number): Promise<void> {
    const { store } = this.#parts;
    for (const { id, expiresAt } of store.volumes.list()) {
      if (expiresAt !== undefined && expiresAt <= now && store.volumeMounts.users(id).length === 0)
        await this.remove(id);
    }
  }

  /** @throws AtollError not_found */
  row(given: string): VolumeRow {
    const { volumes } = this.#parts.store;
    const row = idPattern.test(given) ? volumes.get(given) : volumes.named(given);
    if (row) return row;
    throw noVolume(given);
  }

  /** Shows what is in it, until it is disposed of; a shared one may change meanwhile, others do not. */
  async view(given: string, signal: AbortSignal): Promise<AsyncDisposable & { readonly root: string }> {
    const row = this.row(given);
    if (row.isShared) return { root: this.#sharedPath(row.id), [Symbol.asyncDispose]: async () => undefined };
    const { layers, catalogue } = this.#parts;
    const hold = catalogue.hold(row.layers);
    try {
      const view = await layers.view(row.layers, signal);
      const dispose = async () => {
        using _ = hold;
        await view[Symbol.asyncDispose]();
      };
      return { root: view.root, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      hold[Symbol.dispose]();
      throw error;
    }
  }

  /** The directory of a shared volume; undefined for others. */
  sharedDirectory(row: VolumeRow): string | undefined {
    return row.isShared ? this.#sharedPath(row.id) : undefined;
  }

  /** Changes it: everything that `use` does, or nothing when it fails. Of a shared one, what was done stays done. */
  async change(given: string, use: (root: string) => Promise<void>, signal: AbortSignal): Promise<Volume> {
    const { id, isShared } = this.row(given);
    await this.alone(id, async () => {
      if (isShared) await use(this.#sharedPath(id));
      else await this.commit(id, use, () => undefined, signal);
    });
    return this.get(id);
  }

  /**
   * Makes a layer of what `use` does, and moves the head. Call it `alone` only.
   * @param store stores what belongs to it, in the same transaction
   */
  async commit(
    id: string,
    use: (root: string) => Promise<void>,
    store: (version: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { layers } = this.#parts;
    const before = this.row(id);
    await this.#withLayer(
      signal,
      (upper) => layers.withWritable(before.layers, upper, use, signal),
      (layer) => {
        const row = this.row(id);
        row.layers = [...row.layers, layer];
        row.version += 1;
        row.updatedAt = Date.now();
        this.#parts.store.volumes.update(row);
        store(row.version);
      },
    );
    if (before.layers.length >= mostCommits) await this.#merge(id, signal);
  }

  /** Makes one layer of all; what is in the volume stays the same. */
  async #merge(id: string, signal: AbortSignal): Promise<void> {
    const { layers, catalogue, store } = this.#parts;
    const before = this.row(id).layers;
    await this.#withLayer(
      signal,
      (directory) => layers.merge(before, directory, signal),
      (layer) => store.volumes.update({ ...this.row(id), layers: [layer] }),
    );
    await catalogue.removeUnusedLayers();
  }

  async #withLayer(signal: AbortSignal, fill: (directory: string) => Promise<void>, use: (layer: string) => void) {
    const { layers, store } = this.#parts;
    const layer = `ly-${randomText(22)}`;
    const sizeBytes = await layers.make(layer, fill, signal);
    try {
      store.durably(() => {
        store.layers.insert({ id: layer, sizeBytes, createdAt: Date.now() });
        use(layer);
      });
    } finally {
      layers.release(layer);
    }
  }

  /** One after another for each volume. */
  alone<T>(id: string, act: () => Promise<T>): Promise<T> {
    return this.#turns.alone(id, act);
  }

  /** Bytes of all volumes together, as far as the store knows them: those of shared ones are not counted. */
  sizeBytes(): number {
    return this.list().reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  }

  /** Directories of shared volumes that are gone. */
  async sweep(): Promise<Leak[]> {
    const { layers, store, directory } = this.#parts;
    const names = await readdir(directory).catch((): string[] => []);
    const strays = names.filter((name) => !this.#making.has(name) && !store.volumes.get(name));
    return strays.map((name) => {
      const what = join(directory, name);
      return { kind: "file", what, remove: () => layers.removeTree(what) };
    });
  }

  #checkName(name: string): void {
    if (idPattern.test(name)) throw new AtollError("invalid_argument", `cannot name a volume "${name}": that is an id`);
    if (this.#parts.store.volumes.named(name))
      throw new AtollError("conflict", `cannot name a volume "${name}": there is one of that name`);
  }

  #sharedPath(id: string): string {
    return join(this.#parts.directory, id);
  }

  #view(row: VolumeRow): Volume {
    const { store } = this.#parts;
    return {
      id: row.id,
      ...(row.name !== undefined && { name: row.name }),
      shared: row.isShared,
      version: row.version,
      sizeBytes: row.layers.reduce((total, layer) => total + (store.layers.get(layer)?.sizeBytes ?? 0), 0),
      createdAt: new Date(row.createdAt).toISOString(),
      updatedAt: new Date(row.updatedAt).toISOString(),
      ...(row.expiresAt !== undefined && { expiresAt: new Date(row.expiresAt).toISOString() }),
      usedBy: store.volumeMounts.users(row.id),
    };
  }
}

function noVolume(given: string): AtollError {
  const hint = "List volumes with `atoll volume ls`, or create it; see createIfMissing.";
  return new AtollError("not_found", `cannot find the volume "${given}"`, hint);
}

/** The volumes of this machine: their names, what they consist of, and how that changes: one change at a time, each whole or not at all. */
import { mkdir } from "node:fs/promises";
import type { Volume } from "@atoll/protocol";
import type { Logger } from "pino";
import type { Leak } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import { newId, randomText } from "../id.ts";
import type { Catalogue } from "../images/catalogue.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { fileBytes, type SizedDirectories } from "../layers/sized-directory.ts";
import type { AnswerOf } from "../sandboxes/answers.ts";
import type { VolumeRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { Turns } from "../turns.ts";

/** An ephemeral volume lives so long after the last heartbeat. */
export const ephemeralMs = 15 * 60_000;
/** Look-ups become slower with each layer: above this many they are made one. */
const mostCommits = 16;
/** What later commits replaced is still in their layers: above this many times the limit they are made one. */
const mostReplaced = 2;
const idPattern = /^vo-[0-9A-Za-z]{22}$/;

export interface VolumesParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly catalogue: Catalogue;
  /** Directories of shared volumes. */
  readonly shared: SizedDirectories;
  /** Limit of a volume that is made without one. */
  readonly defaultLimitBytes: number;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

export interface NewVolume {
  /** It is ephemeral when absent. */
  readonly name?: string | undefined;
  readonly isShared?: boolean | undefined;
  /** Version of Modal's volumes that it is made as; 1 when absent. */
  readonly format?: number | undefined;
  /** Most bytes that it may hold, and that a sandbox may have in its copy. */
  readonly limitBytes?: number | undefined;
}

export class Volumes {
  readonly #parts: VolumesParts;
  /** Changes of one volume follow each other. */
  readonly #turns = new Turns();
  /** Directories of shared volumes that have no row yet. */
  readonly #making = new Set<string>();
  /** Layers are being made one. */
  readonly #merging = new Set<Promise<void>>();

  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  /** @throws AtollError conflict, invalid_argument */
  async create(wanted: NewVolume, answer?: AnswerOf): Promise<Volume> {
    const { name, isShared = false, format = 1, limitBytes = this.#parts.defaultLimitBytes } = wanted;
    const { shared, store, stopping } = this.#parts;
    if (name !== undefined) this.#checkName(name);
    const id = newId("vo");
    this.#making.add(id);
    try {
      // The directory above it is the machine's root's alone: what sandboxes write here, as root too, is for no other user.
      if (isShared) await mkdir(await shared.make(id, limitBytes, stopping), { mode: 0o755 });
      if (name !== undefined) this.#checkName(name);
      const now = Date.now();
      const expiresAt = name === undefined ? now + ephemeralMs : undefined;
      const kind = { isShared, format, limitBytes };
      const row = { id, name, ...kind, layers: [], version: 0, createdAt: now, updatedAt: now, expiresAt };
      store.durably(() => {
        store.volumes.insert(row);
        if (answer) store.answers.insert(answer(id));
      });
      return this.#view(row);
    } catch (error) {
      if (isShared) await shared.remove(id);
      throw error;
    } finally {
      this.#making.delete(id);
    }
  }

  /** Finds it by name, or makes it. @throws AtollError not_found, conflict when it is of the other kind or has another limit */
  async lookup(wanted: NewVolume & { readonly name: string }, createIfMissing: boolean): Promise<Volume> {
    const { name, isShared, limitBytes } = wanted;
    const row = this.#parts.store.volumes.named(name);
    if (!row && createIfMissing) return this.create(wanted);
    if (!row) throw noVolume(name);
    if (isShared !== undefined && isShared !== row.isShared) {
      const kind = row.isShared ? "shared" : "not shared";
      throw new AtollError("conflict", `cannot use the volume "${name}" so: it is ${kind}`, "Choose another name.");
    }
    if (limitBytes !== undefined && limitBytes !== this.limitOf(row)) {
      const hint = "Leave the limit out to use the volume as it is.";
      throw new AtollError("conflict", `cannot use the volume "${name}" so: it has another limit`, hint);
    }
    return this.#view(row);
  }

  /** Most bytes in it; undefined for a shared one that an earlier version made. */
  limitOf({ isShared, limitBytes }: VolumeRow): number | undefined {
    return limitBytes ?? (isShared ? undefined : this.#parts.defaultLimitBytes);
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
    const { store, catalogue, shared } = this.#parts;
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
    if (isShared) await shared.remove(id);
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
    const shared = await this.sharedDirectory(row, signal);
    if (shared !== undefined) return { root: shared, [Symbol.asyncDispose]: async () => undefined };
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
  async sharedDirectory({ id, isShared, limitBytes }: VolumeRow, signal: AbortSignal): Promise<string | undefined> {
    const { shared } = this.#parts;
    if (!isShared) return undefined;
    return limitBytes === undefined ? shared.path(id) : await shared.open(id, signal);
  }

  /** Changes it: everything that `use` does, or nothing when it fails. Of a shared one, what was done stays done. */
  async change(given: string, use: (root: string) => Promise<void>, signal: AbortSignal): Promise<Volume> {
    const row = this.row(given);
    const { id } = row;
    await this.alone(id, async () => {
      const shared = await this.sharedDirectory(row, signal);
      if (shared !== undefined) await use(shared);
      else await this.commit(id, use, () => undefined, signal);
    });
    return this.get(id);
  }

  /**
   * Makes a layer of what `use` does, and moves the head. Call it `alone` only.
   * @param store stores what belongs to it, in the same transaction
   * @throws AtollError no_space when it would hold more than it may
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
      (layer, sizeBytes) => this.#checkLimit(before, [...before.layers, layer], sizeBytes, signal),
      (layer) => {
        const row = this.row(id);
        row.layers = [...row.layers, layer];
        row.version += 1;
        row.updatedAt = Date.now();
        this.#parts.store.volumes.update(row);
        store(row.version);
      },
    );
    if (this.#isDeep(this.row(id))) this.#mergeLater(id);
  }

  /** What the layers hold together is more than what is seen of them: they are looked at only when that may be too much. */
  async #checkLimit(row: VolumeRow, stack: readonly string[], addedBytes: number, signal: AbortSignal): Promise<void> {
    const { layers } = this.#parts;
    const limitBytes = this.limitOf(row) ?? Number.POSITIVE_INFINITY;
    // Everything that fits a sandbox's copy may be committed.
    const mostBytes = fileBytes(limitBytes, false);
    if (this.#sizeOf(row) + addedBytes <= mostBytes) return;
    const sizeBytes = await layers.withMounted(stack, (root) => layers.size(root, signal), signal);
    if (sizeBytes > mostBytes) throw overLimit(row, limitBytes);
  }

  #isDeep(row: VolumeRow): boolean {
    const limitBytes = this.limitOf(row) ?? Number.POSITIVE_INFINITY;
    return row.layers.length > mostCommits || (row.layers.length > 1 && this.#sizeOf(row) > limitBytes * mostReplaced);
  }

  /** In the background: the commit that has made it deep is done. One that fails is tried again after the next commit. */
  #mergeLater(id: string): void {
    const { store, log, stopping } = this.#parts;
    const merge = async () => {
      const row = store.volumes.get(id);
      if (row && this.#isDeep(row)) await this.#merge(row, stopping);
    };
    const merging = this.alone(id, merge)
      .catch((error: unknown) => {
        if (!stopping.aborted) log.error({ volumeId: id, err: error }, "cannot merge the layers of a volume");
      })
      .finally(() => this.#merging.delete(merging));
    this.#merging.add(merging);
  }

  /** Settles once nothing of this is under way any more, after `stopping`. */
  async stop(): Promise<void> {
    await Promise.all(this.#merging);
  }

  /** Makes one layer of all; what is in the volume stays the same. */
  async #merge({ id, layers: before }: VolumeRow, signal: AbortSignal): Promise<void> {
    const { layers, catalogue, store } = this.#parts;
    const merge = (directory: string) => layers.merge(before, directory, signal);
    const use = (layer: string) => store.volumes.update({ ...this.row(id), layers: [layer] });
    await this.#withLayer(signal, merge, async () => undefined, use);
    await catalogue.removeUnusedLayers();
  }

  /** @param check may refuse what was made, before it is used */
  async #withLayer(
    signal: AbortSignal,
    fill: (directory: string) => Promise<void>,
    check: (layer: string, sizeBytes: number) => Promise<void>,
    use: (layer: string) => void,
  ): Promise<void> {
    const { layers, store } = this.#parts;
    const layer = `ly-${randomText(22)}`;
    const sizeBytes = await layers.make(layer, fill, signal);
    try {
      await check(layer, sizeBytes);
      store.durably(() => {
        store.layers.insert({ id: layer, sizeBytes, createdAt: Date.now() });
        use(layer);
      });
    } catch (error) {
      await layers.remove(layer);
      throw error;
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
    const { shared, store } = this.#parts;
    const strays = (await shared.names()).filter((name) => !this.#making.has(name) && !store.volumes.get(name));
    return strays.map((name) => ({ kind: "file", what: shared.path(name), remove: () => shared.remove(name) }));
  }

  #checkName(name: string): void {
    if (idPattern.test(name)) throw new AtollError("invalid_argument", `cannot name a volume "${name}": that is an id`);
    if (this.#parts.store.volumes.named(name))
      throw new AtollError("conflict", `cannot name a volume "${name}": there is one of that name`);
  }

  /** Of its layers, what later ones replace included. */
  #sizeOf({ layers }: VolumeRow): number {
    const { store } = this.#parts;
    return layers.reduce((total, layer) => total + (store.layers.get(layer)?.sizeBytes ?? 0), 0);
  }

  #view(row: VolumeRow): Volume {
    const { store } = this.#parts;
    const limitBytes = this.limitOf(row);
    return {
      id: row.id,
      ...(row.name !== undefined && { name: row.name }),
      shared: row.isShared,
      version: row.version,
      sizeBytes: this.#sizeOf(row),
      ...(limitBytes !== undefined && { limitBytes }),
      createdAt: new Date(row.createdAt).toISOString(),
      updatedAt: new Date(row.updatedAt).toISOString(),
      ...(row.expiresAt !== undefined && { expiresAt: new Date(row.expiresAt).toISOString() }),
      usedBy: store.volumeMounts.users(row.id),
    };
  }
}

export function overLimit({ name, id }: VolumeRow, limitBytes: number): AtollError {
  return new AtollError(
    "no_space",
    `cannot change the volume ${name ?? id}: it would hold more than its limit of ${limitBytes} bytes`,
    "Remove files from it, or make one with a higher limit.",
  );
}

function noVolume(given: string): AtollError {
  const hint = "List volumes with `atoll volume ls`, or create it; see createIfMissing.";
  return new AtollError("not_found", `cannot find the volume "${given}"`, hint);
}

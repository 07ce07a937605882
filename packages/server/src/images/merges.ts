/** Makes deep stacks shallow, since look-ups and starts become slower with each layer: what is in the image stays the same. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { within } from "../change.ts";
import { randomText } from "../id.ts";
import { type LayerStore, mostLayers } from "../layers/layer-store.ts";
import type { ImageRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Catalogue } from "./catalogue.ts";

/** Stacks deeper than this are merged. */
const deepest = 24;
/** The lowest layers stay as they are: they are what images share. */
const sharedLayers = 8;
/** Whoever has looked a stack up goes on with it; after this, sandboxes and builds have said what they stand on. */
const graceMs = 60_000;
const retryMs = 60_000;

export interface MergesParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

/** A stack that is not removed before it is disposed of. */
export interface HeldStack extends Disposable {
  readonly layers: readonly string[];
}

export class Merges {
  readonly #parts: MergesParts;
  /** When an image may be tried again. */
  readonly #failed = new Map<string, number>();

  constructor(parts: MergesParts) {
    this.#parts = parts;
  }

  /** Merges the stacks of images, one after the other. Settles when the server stops. */
  async run(): Promise<void> {
    const { catalogue, stopping, log } = this.#parts;
    while (!stopping.aborted) {
      const row = this.#deepest();
      if (!row) {
        const isThere = () => this.#deepest() !== undefined;
        await within(retryMs, catalogue.inserted, isThere, stopping).catch(() => undefined);
        continue;
      }
      await this.#merge(row).catch((error: unknown) => {
        this.#failed.set(row.id, Date.now() + retryMs);
        if (!stopping.aborted) log.error({ imageId: row.id, err: error }, "cannot merge the layers of an image");
      });
    }
  }

  #deepest(): ImageRow | undefined {
    const now = Date.now();
    const deep = this.#parts.store.images.list().filter(({ layers }) => layers.length > deepest);
    const wanted = deep.filter(({ id }) => (this.#failed.get(id) ?? 0) <= now);
    return wanted.toSorted((a, b) => b.layers.length - a.layers.length)[0];
  }

  async #merge({ id, layers }: ImageRow): Promise<void> {
    const { store, stopping } = this.#parts;
    using merged = await this.#shallow(layers, stopping);
    store.durably(() => {
      if (store.images.get(id)) store.images.restack(id, merged.layers);
    });
    this.#failed.delete(id);
    this.#removeLater(layers);
  }

  /** A stack of the same content that another layer can be put on. */
  async withRoom(stack: readonly string[], signal: AbortSignal): Promise<HeldStack> {
    if (stack.length >= mostLayers) return this.#shallow(stack, signal);
    const hold = this.#parts.catalogue.hold(stack);
    return { layers: stack, [Symbol.dispose]: () => hold[Symbol.dispose]() };
  }

  async #shallow(stack: readonly string[], signal: AbortSignal): Promise<HeldStack> {
    const { store, layers, catalogue } = this.#parts;
    using _held = catalogue.hold(stack);
    const id = `ly-${randomText(22)}`;
    const fill = (directory: string) => layers.merge(stack.slice(sharedLayers), directory, signal);
    const sizeBytes = await layers.make(id, fill, signal);
    const hold = catalogue.hold([...stack.slice(0, sharedLayers), id]);
    store.durably(() => store.layers.insert({ id, sizeBytes, createdAt: Date.now() }));
    layers.release(id);
    return { layers: [...stack.slice(0, sharedLayers), id], [Symbol.dispose]: () => hold[Symbol.dispose]() };
  }

  #removeLater(ids: readonly string[]): void {
    const { catalogue, stopping, log } = this.#parts;
    const hold = catalogue.hold(ids);
    const remove = async () => {
      await sleep(graceMs, undefined, { signal: stopping }).catch(() => undefined);
      hold[Symbol.dispose]();
      if (!stopping.aborted) await catalogue.removeUnusedLayers();
    };
    remove().catch((error: unknown) => log.error({ err: error }, "cannot remove layers that were merged"));
  }
}

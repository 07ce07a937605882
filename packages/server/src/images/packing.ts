/** Layers as the archives that other tools know them by. */
import { createHash } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { randomText } from "../id.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { packLayer } from "../layers/pack.ts";
import { LRUCache } from "../lru-cache.ts";
import type { PackedLayer } from "./registry/oci-layout.ts";

const knownLayers = 1000;

export class Packing {
  readonly #layers: LayerStore;
  readonly #directory: string;
  /** By the ids of layers, which never change. */
  readonly #known = new LRUCache<string, PackedLayer>(knownLayers);
  readonly #used = new Set<string>();

  /** @param directory for what is on its way out and not gone yet */
  constructor(layers: LayerStore, directory: string) {
    this.#layers = layers;
    this.#directory = directory;
  }

  /** A layer's archive, which lies on no disk. It remembers what it was when it has been read to its end. */
  async *pack(id: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    await using pipe = await this.place();
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const piece of packLayer(this.#layers, id, pipe.path, signal)) {
      hash.update(piece);
      sizeBytes += piece.length;
      yield piece;
    }
    this.#known.set(id, { digest: `sha256:${hash.digest("hex")}`, sizeBytes });
  }

  /** What a layer is as an archive; makes it to find out. */
  async packed(id: string, signal: AbortSignal): Promise<PackedLayer> {
    for (;;) {
      const known = this.#known.get(id);
      if (known) return known;
      for await (const _ of this.pack(id, signal));
    }
  }

  /** A name for something that is gone when it is disposed of. */
  async place(): Promise<AsyncDisposable & { readonly path: string }> {
    const path = join(this.#directory, randomText(12));
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    this.#used.add(path);
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        await this.#layers.removeTree(path);
        this.#used.delete(path);
      },
    };
  }

  /** Paths of what an earlier server left. */
  async strays(): Promise<string[]> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    return names.map((name) => join(this.#directory, name)).filter((path) => !this.#used.has(path));
  }
}

/** Images as archives that other tools load. */
import { Slots } from "../slots.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Packing } from "./packing.ts";
import { archiveOf, archiveSize, type Member } from "./registry/archive-of.ts";
import { blobName, layoutFiles } from "./registry/oci-layout.ts";

const measuredAtOnce = 2;

export interface Archive {
  readonly sizeBytes: number;
  /** To be read to its end, or returned from. */
  readonly source: AsyncGenerator<Buffer>;
}

export class Exports {
  readonly #catalogue: Catalogue;
  readonly #packing: Packing;
  readonly #stopping: AbortSignal;
  readonly #slots = new Slots(measuredAtOnce);

  constructor(catalogue: Catalogue, packing: Packing, stopping: AbortSignal) {
    this.#catalogue = catalogue;
    this.#packing = packing;
    this.#stopping = stopping;
  }

  /**
   * An OCI archive that `docker load` takes too, the same bytes each time. It needs no room on the disk: layers are packed once for the digests
   * that the archive begins with, and once more as they are read.
   * @throws AtollError not_found; unsupported for files that other tools would misunderstand
   */
  async archive(name: string, asked: AbortSignal): Promise<Archive> {
    const signal = AbortSignal.any([asked, this.#stopping]);
    const image = await this.#catalogue.get(name, signal);
    using held = new DisposableStack();
    held.use(this.#catalogue.hold(image.layers));
    const members = await this.#slots.with(() => this.#members(image, signal), signal);
    return { sizeBytes: archiveSize(members), source: whileHeld(held.move(), archiveOf(members)) };
  }

  async #members(image: Awaited<ReturnType<Catalogue["get"]>>, signal: AbortSignal): Promise<Member[]> {
    const packed = [];
    for (const id of image.layers) packed.push({ id, ...(await this.#packing.packed(id, signal)) });
    const files = layoutFiles(image, packed).map(({ name, bytes }) => ({
      name,
      sizeBytes: bytes.length,
      open: () => [bytes],
    }));
    // Layers that are equal have one name.
    const unlike = [...new Map(packed.map((layer) => [layer.digest, layer])).values()];
    const layers = unlike.map(({ id, digest, sizeBytes }) => {
      return { name: blobName(digest), sizeBytes, open: () => this.#packing.pack(id, signal) };
    });
    return [...files, ...layers];
  }
}

async function* whileHeld<T>(held: Disposable, source: AsyncIterable<T>): AsyncGenerator<T> {
  using _held = held;
  yield* source;
}

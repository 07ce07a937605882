/** Layers of a portable image become layers of ours, each once: they are found again by what they and those below consist of. */
import { createHash } from "node:crypto";
import type { ImageOrigin, Image as ImageView } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import { randomText } from "../../id.ts";
import type { LayerStore } from "../../layers/layer-store.ts";
import { unpack } from "../../layers/unpack.ts";
import type { Store } from "../../store/store.ts";
import { type Catalogue, checkDepth } from "../catalogue.ts";
import { decompressed } from "../decompressed.ts";
import { ProgressOf, type TellProgress } from "../progress.ts";
import { digestOf } from "../recipe.ts";
import type { SourceTree, TreeEntry } from "../source-tree.ts";
import { type PortableLayer, readImage } from "./read-image.ts";

export interface TakeParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly catalogue: Catalogue;
}

export interface Taken {
  readonly origin: ImageOrigin;
  /** Under which the image is found again. */
  readonly recipe: string | undefined;
}

const limits = { bytes: 64 * 1024 ** 3, entries: 2_000_000 };

/** @throws AtollError invalid_argument, payload_too_large, capacity */
export async function takeImage(
  parts: TakeParts,
  tree: SourceTree,
  taken: Taken,
  tell: TellProgress,
  signal: AbortSignal,
): Promise<ImageView> {
  const { config, layers } = await readImage(tree);
  checkDepth(layers.length);
  const totalBytes = layers.reduce((total, { entry }) => total + entry.sizeBytes, 0);
  const progress = new ProgressOf("unpacking", totalBytes, tell);
  using holds = new DisposableStack();
  const stack: string[] = [];
  let key = "oci";
  for (const layer of layers) {
    key = digestOf([key, layer.diffId]);
    const known = parts.store.layers.ofStep(key);
    if (typeof known === "string") {
      holds.use(parts.catalogue.hold([known]));
      stack.push(known);
      progress.add(layer.entry.sizeBytes);
    } else stack.push(await takeLayer(parts, tree, layer, key, holds, progress, signal));
  }
  return parts.catalogue.insert({ layers: stack, config, ...taken });
}

async function takeLayer(
  { store, layers, catalogue }: TakeParts,
  tree: SourceTree,
  { entry, diffId }: PortableLayer,
  key: string,
  holds: DisposableStack,
  progress: ProgressOf,
  signal: AbortSignal,
): Promise<string> {
  const id = `ly-${randomText(22)}`;
  const fill = async (directory: string) => {
    const hash = createHash("sha256");
    const source = hashed(await uncompressed(tree, entry, progress), hash);
    await unpack(layers, source, directory, `${directory}.tar`, { limits, hasWhiteouts: true }, signal);
    if (`sha256:${hash.digest("hex")}` !== diffId)
      throw new AtollError("invalid_argument", "cannot take the image: a layer is damaged", "Make the archive anew.");
  };
  const sizeBytes = await layers.make(id, fill, signal);
  holds.use(catalogue.hold([id]));
  store.durably(() => {
    store.layers.insert({ id, sizeBytes, createdAt: Date.now() });
    store.layers.cacheStep(key, id);
  });
  layers.release(id);
  return id;
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hash: { update(piece: Buffer): unknown },
): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

async function uncompressed(tree: SourceTree, entry: TreeEntry, progress: ProgressOf): Promise<AsyncIterable<Buffer>> {
  let magic = "";
  for await (const piece of tree.open(entry)) {
    magic = piece.toString("hex", 0, 4);
    break;
  }
  return decompressed(progress.counted(tree.open(entry)), magic);
}

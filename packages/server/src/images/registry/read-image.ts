/** An image in one of its two portable forms, an OCI layout or what `docker save` writes, as a tree of files. */
import { createHash } from "node:crypto";
import type { ImageConfig } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { SourceTree, TreeEntry } from "../source-tree.ts";
import { architecture } from "./architecture.ts";
import { configOf, type OciConfig } from "./oci-config.ts";

export interface PortableImage {
  readonly config: ImageConfig;
  /** The lowest first. */
  readonly layers: readonly PortableLayer[];
}

export interface PortableLayer {
  readonly entry: TreeEntry;
  /** Digest of its archive, uncompressed. */
  readonly diffId: string;
}

const mostJsonBytes = 4 * 1024 ** 2;
const deepest = 4;

/** @throws AtollError invalid_argument */
export async function readImage(tree: SourceTree): Promise<PortableImage> {
  if (await tree.at("index.json")) return ociImage(tree, (await json(tree, "index.json")) as Index, 0);
  if (await tree.at("manifest.json")) return savedImage(tree);
  throw refused("it has neither index.json nor manifest.json", "Give a `docker save` or OCI archive.");
}

interface Descriptor {
  readonly digest?: unknown;
  readonly platform?: { readonly architecture?: unknown; readonly os?: unknown };
}
interface Index {
  readonly manifests?: unknown;
}
interface Manifest extends Index {
  readonly config?: Descriptor;
  readonly layers?: unknown;
}

async function ociImage(tree: SourceTree, index: Index, depth: number): Promise<PortableImage> {
  const manifest = (await json(tree, blobOf(chosen(index)))) as Manifest;
  if (Array.isArray(manifest.manifests)) {
    if (depth === deepest) throw refused("its indexes are nested too deeply");
    return ociImage(tree, manifest, depth + 1);
  }
  const layers = descriptors(manifest.layers).map(blobOf);
  return portable(tree, blobOf(manifest.config ?? {}), layers);
}

/** Of an index with several platforms, this machine's. */
function chosen({ manifests }: Index): Descriptor {
  const all = descriptors(manifests);
  const fits = all.filter(({ platform }) => platform?.architecture === architecture && platform.os === "linux");
  const found = fits[0] ?? (all.length === 1 ? all[0] : undefined);
  if (found) return found;
  throw refused(`it has no image for linux/${architecture}`, "Take one for this machine's architecture.");
}

async function savedImage(tree: SourceTree): Promise<PortableImage> {
  const images = await json(tree, "manifest.json");
  if (!Array.isArray(images) || images.length === 0) throw refused("its manifest.json lists no image");
  if (images.length > 1) throw refused(`it has ${images.length} images`, "Save one image at a time.");
  const { Config, Layers } = images[0] as { Config?: unknown; Layers?: unknown };
  if (typeof Config !== "string" || !Array.isArray(Layers) || !Layers.every((layer) => typeof layer === "string"))
    throw refused("its manifest.json is not that of an image");
  return portable(tree, Config, Layers);
}

async function portable(tree: SourceTree, configName: string, layerNames: readonly string[]): Promise<PortableImage> {
  const config = (await json(tree, configName)) as OciConfig;
  if (config.architecture !== undefined && config.architecture !== architecture)
    throw refused(`it is for ${String(config.architecture)}, and this machine is ${architecture}`);
  const diffIds = config.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || diffIds.length !== layerNames.length)
    throw refused("its configuration does not name its layers");
  const layers: PortableLayer[] = [];
  for (const [index, name] of layerNames.entries()) {
    const entry = await tree.at(name);
    if (entry?.type !== "file") throw refused(`it lacks ${name}`);
    layers.push({ entry, diffId: String(diffIds[index]) });
  }
  return { config: configOf(config), layers };
}

function descriptors(list: unknown): Descriptor[] {
  if (!Array.isArray(list)) throw refused("its index names no manifest");
  return list.filter((entry): entry is Descriptor => typeof entry === "object" && entry !== null);
}

function blobOf({ digest }: Descriptor): string {
  const [, hex] = typeof digest === "string" ? (/^sha256:([0-9a-f]{64})$/.exec(digest) ?? []) : [];
  if (hex === undefined) throw refused(`it has a digest of another kind than sha256`);
  return `blobs/sha256/${hex}`;
}

/** A blob must be what it is called. */
async function json(tree: SourceTree, name: string): Promise<unknown> {
  const entry = await tree.at(name);
  if (entry?.type !== "file") throw refused(`it lacks ${name}`);
  if (entry.sizeBytes > mostJsonBytes) throw refused(`its ${name} is too long`);
  const bytes = Buffer.concat(await Array.fromAsync(tree.open(entry)));
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
  if (hex !== undefined && createHash("sha256").update(bytes).digest("hex") !== hex)
    throw refused(`its ${name} is damaged`);
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw refused(`its ${name} is not JSON`);
  }
}

function refused(why: string, hint = "Make the archive anew."): AtollError {
  return new AtollError("invalid_argument", `cannot take the image: ${why}`, hint);
}

/** An image in both of its portable forms at once: an OCI layout with the list of `docker save` beside it, as Docker itself writes it. Pure. */
import { createHash } from "node:crypto";
import type { ImageConfig } from "@atoll/protocol";
import { architecture } from "./architecture.ts";
import { ociConfig } from "./oci-config.ts";
import { fullReference, isReference, parseReference } from "./reference.ts";

export interface PackedLayer {
  /** Of its archive, which is not compressed. */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface Described {
  readonly config: ImageConfig;
  readonly createdAt: string;
  readonly names: readonly string[];
}

export interface LayoutFile {
  readonly name: string;
  readonly bytes: Buffer;
}

const type = (of: string) => `application/vnd.oci.image.${of}`;
const platform = { architecture, os: "linux" };

/** All files but the layers. @param layers the lowest first */
export function layoutFiles({ config, createdAt, names }: Described, layers: readonly PackedLayer[]): LayoutFile[] {
  const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
  const about = json({ created: createdAt, ...platform, config: ociConfig(config), rootfs });
  const mediaType = type("manifest.v1+json");
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: type("config.v1+json"), digest: digestOf(about), size: about.length },
    layers: layers.map(({ digest, sizeBytes }) => ({ mediaType: type("layer.v1.tar"), digest, size: sizeBytes })),
  });
  const tags = names.filter(isReference).map((name) => fullReference(parseReference(name)));
  const described = { mediaType, digest: digestOf(manifest), size: manifest.length, platform, ...annotations(tags[0]) };
  const index = { schemaVersion: 2, mediaType: type("index.v1+json"), manifests: [described] };
  const saved = {
    Config: blobName(digestOf(about)),
    RepoTags: tags,
    Layers: layers.map(({ digest }) => blobName(digest)),
  };
  return [
    { name: "oci-layout", bytes: json({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", bytes: json(index) },
    { name: "manifest.json", bytes: json([saved]) },
    { name: blobName(digestOf(about)), bytes: about },
    { name: blobName(digestOf(manifest)), bytes: manifest },
  ];
}

/** @param digest as sha256:... */
export function blobName(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** By which containerd and Docker name what they load. */
function annotations(tag: string | undefined) {
  if (tag === undefined) return {};
  const name = tag.slice(tag.lastIndexOf(":") + 1);
  return { annotations: { "io.containerd.image.name": tag, "org.opencontainers.image.ref.name": name } };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Which layers take up the disk for what. Pure. */
import type { DiskEntry, DiskKind } from "@atoll/protocol";
import type { ImageRow, LayerRow, VolumeRow } from "../store/rows.ts";

export interface LayerFacts {
  readonly layers: readonly LayerRow[];
  readonly images: readonly Pick<ImageRow, "layers" | "origin">[];
  readonly volumes: readonly Pick<VolumeRow, "layers">[];
  /** Ids of layers that cached steps have. */
  readonly cached: readonly string[];
}

/** The build cache is only what nothing else has; other layers are those of no image any more that a sandbox still stands on, or that are to be removed. */
export function layerUse({ layers, images, volumes, cached }: LayerFacts): DiskEntry[] {
  const sizes = new Map(layers.map(({ id, sizeBytes }) => [id, sizeBytes]));
  const owners = new Map<string, number>();
  for (const id of [...images, ...volumes].flatMap((owner) => owner.layers)) owners.set(id, (owners.get(id) ?? 0) + 1);
  const bytes = (ids: readonly string[]) => ids.reduce((total, id) => total + (sizes.get(id) ?? 0), 0);
  const entry = (kind: DiskKind, count: number, ids: Iterable<string>): DiskEntry => {
    const once = [...new Set(ids)];
    const shared = once.filter((id) => (owners.get(id) ?? 0) > 1);
    return { kind, count, sizeBytes: bytes(once), sharedBytes: bytes(shared) };
  };
  const of = (kind: DiskKind, rows: readonly { readonly layers: readonly string[] }[]) =>
    entry(
      kind,
      rows.length,
      rows.flatMap((row) => row.layers),
    );
  const isSnapshot = ({ origin }: Pick<ImageRow, "origin">) => origin.kind === "snapshot";
  const onlyCached = new Set(cached.filter((id) => sizes.has(id) && !owners.has(id)));
  const others = [...sizes.keys()].filter((id) => !owners.has(id) && !onlyCached.has(id));
  return [
    of(
      "images",
      images.filter((image) => !isSnapshot(image)),
    ),
    of("snapshots", images.filter(isSnapshot)),
    entry("build_cache", onlyCached.size, onlyCached),
    of("volumes", volumes),
    entry("other_layers", others.length, others),
  ];
}

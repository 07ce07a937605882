/** What takes up the disk of the server. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed } from "./values.ts";

export const DiskKind = Type.Union([
  Type.Literal("images"),
  Type.Literal("snapshots"),
  Type.Literal("build_cache"),
  Type.Literal("volumes"),
  Type.Literal("other_layers"),
  Type.Literal("sandbox_disks"),
  Type.Literal("volume_copies"),
  Type.Literal("shared_volumes"),
  Type.Literal("output"),
  Type.Literal("build_logs"),
  Type.Literal("uploads"),
]);

export const DiskEntry = Type.Object(
  {
    kind: DiskKind,
    count: Type.Integer(),
    sizeBytes: Type.Integer({
      description: "Bytes on the disk, holes left out; a layer that several have counts once.",
    }),
    sharedBytes: Type.Integer({ description: "The part of it in layers that several images or volumes have." }),
  },
  closed,
);

export const DiskUse = Type.Object(
  {
    fileSystem: Type.Object(
      { path: Type.String(), sizeBytes: Type.Integer(), freeBytes: Type.Integer() },
      { ...closed, description: "The file system of the state directory." },
    ),
    layers: Type.Object(
      { count: Type.Integer(), sizeBytes: Type.Integer() },
      { ...closed, description: "All layers of images, snapshots, build cache and volumes, each counted once." },
    ),
    entries: Type.Array(DiskEntry),
    freeable: Type.Object(
      {
        gcBytes: Type.Integer({ description: "Layers that `gc` would remove." }),
        pruneBytes: Type.Integer({ description: "Layers that pruning images would remove, those of `gc` among them." }),
      },
      closed,
    ),
  },
  closed,
);

export type DiskKind = Static<typeof DiskKind>;
export type DiskEntry = Static<typeof DiskEntry>;
export type DiskUse = Static<typeof DiskUse>;

export const diskRoutes = {
  diskUse: { method: "GET", path: "/v1/disk", summary: "What takes up the disk", response: DiskUse },
} as const satisfies Record<string, Route>;

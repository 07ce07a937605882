/** The server itself: health, version, counts, metrics, garbage. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Instant, Isolation } from "./values.ts";

export const IsolationStatus = Type.Object(
  { isolation: Isolation, available: Type.Boolean(), detail: Type.String() },
  closed,
);

export const DiskStore = Type.Object(
  {
    kind: Type.Union([Type.Literal("reflinks"), Type.Literal("image"), Type.Literal("plain")], {
      description:
        "Whether sandboxes' disks are on a file system with reflinks, on one that the server made in a file, or in a plain directory, where a snapshot takes as long as its copy.",
    }),
    reason: Type.Optional(Type.String({ description: "Why it is plain." })),
  },
  closed,
);

export const Status = Type.Object(
  {
    version: Type.String(),
    pid: Type.Integer(),
    address: Type.String(),
    startedAt: Instant,
    defaultIsolation: Type.Optional(Isolation),
    isolations: Type.Array(IsolationStatus),
    sandboxes: Type.Object(
      { queued: Type.Integer(), starting: Type.Integer(), running: Type.Integer(), finished: Type.Integer() },
      closed,
    ),
    gpus: Type.Array(Type.String(), { description: "CDI names of the devices on this machine." }),
    disks: DiskStore,
  },
  closed,
);

export const GcReport = Type.Object(
  {
    found: Type.Array(
      Type.Object(
        {
          kind: Type.Union([
            Type.Literal("process"),
            Type.Literal("mount"),
            Type.Literal("network"),
            Type.Literal("cgroup"),
            Type.Literal("file"),
          ]),
          what: Type.String(),
          removed: Type.Boolean(),
        },
        closed,
      ),
      { description: "What belonged to no sandbox." },
    ),
  },
  closed,
);

export type IsolationStatus = Static<typeof IsolationStatus>;
export type DiskStore = Static<typeof DiskStore>;
export type Status = Static<typeof Status>;
export type GcReport = Static<typeof GcReport>;

export const serverRoutes = {
  health: {
    method: "GET",
    path: "/healthz",
    summary: "Whether the server answers",
    response: Type.Object({ ok: Type.Boolean(), version: Type.String() }),
    isPublic: true,
  },
  openapi: { method: "GET", path: "/openapi.json", summary: "This document", response: Type.Unknown(), isPublic: true },
  metrics: { method: "GET", path: "/metrics", summary: "Metrics in the Prometheus text format", response: "text" },
  status: {
    method: "GET",
    path: "/v1/status",
    summary: "Version, address, counts and isolation levels",
    response: Status,
  },
  gc: {
    method: "POST",
    path: "/v1/gc",
    summary: "Find, and unless told otherwise remove, what belongs to no sandbox",
    query: Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, closed),
    response: GcReport,
  },
} as const satisfies Record<string, Route>;

import { openapi, type Status } from "@atoll/protocol";
import type { Gpus } from "../devices/gpus.ts";
import type { DiskStore } from "../layers/disk-store.ts";
import type { Metrics } from "../metrics.ts";
import type { Gc } from "../sandboxes/gc.ts";
import type { IsolationLevels } from "../sandboxes/isolation-levels.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Handlers } from "./call.ts";

export interface ServerFacts {
  readonly version: string;
  readonly startedAt: string;
  readonly sandboxes: Sandboxes;
  readonly levels: IsolationLevels;
  readonly gpus: Gpus;
  readonly diskStore: DiskStore;
  readonly metrics: Metrics;
  readonly gc: Gc;
  /** `http://host:port`, known once the server listens. */
  readonly address: () => string;
}

export function serverHandlers(facts: ServerFacts): Pick<Handlers, "health" | "openapi" | "metrics" | "status" | "gc"> {
  return {
    health: () => ({ ok: true, version: facts.version }),
    openapi: () => openapi(facts.version),
    metrics: () => facts.metrics.text(),
    status: () => status(facts),
    gc: async ({ query, signal }) => ({ found: await facts.gc(query.dryRun ?? false, signal) }),
  };
}

async function status(facts: ServerFacts): Promise<Status> {
  const { version, startedAt, sandboxes, levels, gpus, diskStore, address } = facts;
  const isolations = await levels.statuses();
  const strongest = await levels.default();
  return {
    version,
    pid: process.pid,
    address: address(),
    startedAt,
    ...(strongest && { defaultIsolation: strongest }),
    isolations,
    sandboxes: sandboxes.counts(),
    gpus: gpus.names(),
    disks: { kind: diskStore.kind, ...(diskStore.reason !== undefined && { reason: diskStore.reason }) },
  };
}

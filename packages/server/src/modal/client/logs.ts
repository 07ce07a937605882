/** Output of sandboxes' own commands as log entries, for one sandbox or for all of an app. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import { entriesOf, type LogEntry, type LogRange, newestEntries, type Stream } from "../../processes/log-entries.ts";
import type { Core } from "../core.ts";
import {
  AppCountLogsRequestSchema,
  AppCountLogsResponseSchema,
  AppFetchLogsRequestSchema,
  AppFetchLogsResponseSchema,
} from "../generated/logs_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { sandboxIdOf, sandboxOfTask, taskIdOf } from "../ids.ts";
import { runOf } from "./app-runs.ts";
import { buildEntries, isBuildTask } from "./image-logs.ts";

const main = "main";
/** FileDescriptor; 3 is what the platform says, which is nothing here. */
const descriptors = { stdout: 1, stderr: 2 } as const;
/** Of one answer, as the clients know it. */
const mostEntries = 20_000;
const mostBuckets = 10_000;
const normalBucketS = 60;

interface Filter {
  readonly appId: string;
  readonly taskId: string;
  readonly sandboxId: string;
  readonly searchText: string;
  readonly source: number;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
}

export function logRpcs(core: Core): Rpcs {
  return {
    AppCountLogs: unary(AppCountLogsRequestSchema, AppCountLogsResponseSchema, async (request, { signal }) => {
      const range = rangeOf(request);
      const bucketMs = (request.bucketSecs || normalBucketS) * 1000;
      const counts = new Counts(bucketMs);
      for (const entry of await buildEntries(core, request.taskId, range, signal)) counts.add(entry);
      for (const id of sandboxesOf(core, request)) {
        for (const stream of streamsOf(core, id, request.source)) {
          for await (const entries of entriesOf(stream, range, signal)) {
            for (const entry of entries) counts.add(entry);
          }
        }
      }
      return { appId: request.appId, buckets: counts.buckets() };
    }),
    AppFetchLogs: unary(AppFetchLogsRequestSchema, AppFetchLogsResponseSchema, async (request, { signal }) => {
      const range = rangeOf(request);
      const limit = Math.min(request.limit || mostEntries, mostEntries);
      const built = await buildEntries(core, request.taskId, range, signal);
      const batches = built.length > 0 ? [{ taskId: request.taskId, sandboxId: "", items: built.map(item) }] : [];
      for (const id of sandboxesOf(core, request)) {
        const entries = await newestEntries(streamsOf(core, id, request.source), range, limit, signal);
        if (entries.length > 0)
          batches.push({ taskId: request.taskId || taskIdOf(id, "v1"), sandboxId: id, items: entries.map(item) });
      }
      return { batches: newest(batches, limit) };
    }),
  };
}

function item({ at, stream, text }: LogEntry) {
  return {
    data: text,
    fileDescriptor: descriptors[stream],
    timestamp: at / 1000,
    timestampNs: BigInt(at) * 1_000_000n,
  };
}

/** Sandboxes one after the other, with the newest entries of all together. */
function newest<B extends { readonly items: readonly { readonly timestamp: number }[] }>(batches: B[], limit: number) {
  const times = batches.flatMap(({ items }) => items.map(({ timestamp }) => timestamp)).sort((a, b) => b - a);
  const oldest = times[limit - 1] ?? 0;
  return batches.map((batch) => ({ ...batch, items: batch.items.filter(({ timestamp }) => timestamp >= oldest) }));
}

/** How many entries came in each part of the time. */
class Counts {
  readonly #bucketMs: number;
  readonly #counts = new Map<number, Record<`${LogEntry["stream"]}Logs`, bigint>>();

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs;
  }

  add({ at, stream }: LogEntry): void {
    const bucket = Math.floor(at / this.#bucketMs);
    const count = this.#counts.get(bucket) ?? { stdoutLogs: 0n, stderrLogs: 0n };
    count[`${stream}Logs`] += 1n;
    this.#counts.set(bucket, count);
  }

  /** From the first that has any to the last, the empty ones between them too. */
  buckets() {
    if (this.#counts.size === 0) return [];
    const first = Math.min(...this.#counts.keys());
    const length = Math.max(...this.#counts.keys()) - first + 1;
    if (length > mostBuckets) {
      const hint = "Choose longer parts or less time.";
      throw new AtollError("invalid_argument", `cannot count logs in ${length} parts`, hint);
    }
    return Array.from({ length }, (_, index) => ({
      bucketStartAt: timestampFromMs((first + index) * this.#bucketMs),
      ...this.#counts.get(first + index),
    }));
  }
}

function rangeOf({ since, until, searchText }: Filter): LogRange {
  return {
    since: since ? timestampMs(since) : 0,
    until: until ? timestampMs(until) : Number.POSITIVE_INFINITY,
    ...(searchText !== "" && { search: searchText }),
  };
}

function sandboxesOf(core: Core, { appId, taskId, sandboxId }: Filter): string[] {
  const { sandboxes } = core;
  if (isBuildTask(taskId)) return [];
  const id = taskId !== "" ? sandboxOfTask(taskId) : sandboxId !== "" ? sandboxIdOf(sandboxId) : undefined;
  if (id !== undefined) return [sandboxes.get(id).id];
  const all = sandboxes.list({ ...runOf(core, appId), all: true, limit: Number.MAX_SAFE_INTEGER - 1 });
  return all.items.map((sandbox) => sandbox.id).reverse();
}

function streamsOf({ processes }: Core, sandboxId: string, source: number): Stream[] {
  return (["stdout", "stderr"] as const)
    .filter((name) => source === 0 || source === descriptors[name])
    .map((name) => {
      const log = processes.output(sandboxId, main, name);
      return { name, log, end: log.length };
    });
}

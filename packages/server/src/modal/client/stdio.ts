import { LRUCache } from "../../lru-cache.ts";
import { wholeCharacters } from "../../processes/whole-characters.ts";
import type { SandboxProcesses } from "../../sandboxes/sandbox-processes.ts";
import type { Core } from "../core.ts";
import {
  type SandboxGetLogsRequest,
  SandboxGetLogsRequestSchema,
  SandboxStdinWriteRequestSchema,
  SandboxStdinWriteResponseSchema,
  TaskLogsBatchSchema,
} from "../generated/logs_pb.ts";
import { type Call, metadataOf } from "../grpc/call.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { sandboxIdOf } from "../ids.ts";

const main = "main";
/** FileDescriptor */
const stderr = 2;
const normalHoldMs = 55_000;
/** Writes of which a repetition is recognized. */
const rememberedWrites = 10_000;

export function stdioRpcs({ processes }: Core): Rpcs {
  const writes = new LRUCache<string, Promise<number>>(rememberedWrites);
  return {
    SandboxGetLogs: serverStream(SandboxGetLogsRequestSchema, TaskLogsBatchSchema, (request, call) =>
      logs(processes, request, call),
    ),
    SandboxStdinWrite: unary(SandboxStdinWriteRequestSchema, SandboxStdinWriteResponseSchema, async (request, call) => {
      const { sandboxId, input, eof } = request;
      const write = () => processes.writeStdin(sandboxIdOf(sandboxId), main, undefined, piece(input), eof, call.signal);
      const key = metadataOf(call, "x-idempotency-key");
      const written = (key !== "" && writes.get(key)) || write();
      if (key !== "") writes.set(key, written);
      await written;
      return {};
    }),
  };
}

export async function* piece(bytes: Uint8Array): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Text in batches, each named by the offset behind it, and in the end one that says so. A stream that was held for long enough just stops. */
async function* logs(processes: SandboxProcesses, request: SandboxGetLogsRequest, { signal }: Call) {
  const { sandboxId, fileDescriptor, timeout, lastEntryId } = request;
  const log = processes.output(sandboxIdOf(sandboxId), main, fileDescriptor === stderr ? "stderr" : "stdout");
  let at = /^\d{1,15}$/.test(lastEntryId) ? Number(lastEntryId) : 0;
  const hold = AbortSignal.timeout(timeout > 0 ? Math.min(timeout * 1000, normalHoldMs) : normalHoldMs);
  const batch = (text: Buffer) => {
    at += text.length;
    return { items: [{ data: text.toString(), fileDescriptor, timestamp: Date.now() / 1000 }], entryId: String(at) };
  };
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const bytes of log.read(at, true, AbortSignal.any([signal, hold]))) {
      const all = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
      const end = wholeCharacters(all);
      rest = all.subarray(end);
      if (end > 0) yield batch(all.subarray(0, end));
    }
  } catch (error) {
    if (hold.aborted && !signal.aborted) return;
    throw error;
  }
  if (rest.length > 0) yield batch(rest);
  yield { items: [], entryId: String(at), eof: true };
}

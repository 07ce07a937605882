/** Files as older Python programs use them: each call begins an operation, whose output is fetched with another. */
import { posix } from "node:path";
import { LRUCache } from "../../lru-cache.ts";
import type { Core } from "../core.ts";
import { FileHandles } from "../file-handles/handles.ts";
import { failed, type Outcome, outcomeId, outcomeOf } from "../file-handles/outcome.ts";
import { eventInfo } from "../filesystem/file-info.ts";
import {
  type ContainerFilesystemExecGetOutputRequest,
  ContainerFilesystemExecGetOutputRequestSchema,
  type ContainerFilesystemExecRequest,
  ContainerFilesystemExecRequestSchema,
  ContainerFilesystemExecResponseSchema,
  FilesystemRuntimeOutputBatchSchema,
} from "../generated/container_files_pb.ts";
import { type Call, metadataOf } from "../grpc/call.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { sandboxOfTask } from "../ids.ts";

const directoryMode = 0o755;
const normalHoldMs = 55_000;
/** Calls of which a repetition is recognized. */
const rememberedCalls = 10_000;

interface Begun {
  readonly outcome: Outcome;
  /** Of a file that was opened, or should have been. */
  readonly descriptor?: string;
}

export function containerFileRpcs(core: Core): Rpcs {
  const handles = new FileHandles(core.files, core.openFiles);
  const calls = new LRUCache<string, Promise<Begun>>(rememberedCalls);
  return {
    ContainerFilesystemExec: unary(
      ContainerFilesystemExecRequestSchema,
      ContainerFilesystemExecResponseSchema,
      async (request, call) => {
        const sandboxId = sandboxOfTask(request.taskId);
        const key = metadataOf(call, "x-idempotency-key");
        const begun = (key !== "" && calls.get(key)) || begin(core, handles, sandboxId, request, call);
        if (key !== "") calls.set(key, begun);
        const { outcome, descriptor } = await begun;
        const execId = outcomeId(core.signed, { sandboxId, outcome });
        return { execId, ...(descriptor !== undefined && { fileDescriptor: descriptor }) };
      },
    ),
    ContainerFilesystemExecGetOutput: serverStream(
      ContainerFilesystemExecGetOutputRequestSchema,
      FilesystemRuntimeOutputBatchSchema,
      (request, call) => output(core, request, call),
    ),
  };
}

/** Does what changes something at once; what only reads is done when its output is fetched. A failure is fetched too. */
async function begin(
  core: Core,
  handles: FileHandles,
  sandboxId: string,
  request: ContainerFilesystemExecRequest,
  { signal }: Call,
): Promise<Begun> {
  try {
    return await act(core, handles, sandboxId, request, signal);
  } catch (error) {
    const outcome = failed(error);
    if (!outcome) throw error;
    // Without a descriptor the client would not ask what went wrong.
    return request.operation.case === "fileOpenRequest" ? { outcome, descriptor: "" } : { outcome };
  }
}

async function act(
  { files }: Core,
  handles: FileHandles,
  sandboxId: string,
  { operation }: ContainerFilesystemExecRequest,
  signal: AbortSignal,
): Promise<Begun> {
  const done = { outcome: { kind: "done" } } as const;
  switch (operation.case) {
    case "fileOpenRequest": {
      const { path, mode } = operation.value;
      return { ...done, descriptor: await handles.open(sandboxId, path, mode, signal) };
    }
    case "fileWriteRequest": {
      const { fileDescriptor, data } = operation.value;
      await handles.write(sandboxId, fileDescriptor, Buffer.from(data), signal);
      return done;
    }
    case "fileReadRequest": {
      const { fileDescriptor, n } = operation.value;
      return { outcome: { kind: "read", ...(await handles.read(sandboxId, fileDescriptor, n, signal)) } };
    }
    case "fileReadLineRequest": {
      const span = await handles.readLine(sandboxId, operation.value.fileDescriptor, signal);
      return { outcome: { kind: "read", ...span } };
    }
    case "fileSeekRequest": {
      const { fileDescriptor, offset, whence } = operation.value;
      await handles.seek(sandboxId, fileDescriptor, offset, whence, signal);
      return done;
    }
    case "fileFlushRequest":
      handles.flush(sandboxId, operation.value.fileDescriptor);
      return done;
    case "fileCloseRequest":
      handles.close(sandboxId, operation.value.fileDescriptor);
      return done;
    case "fileMkdirRequest": {
      const { path, makeParents } = operation.value;
      await files.makeDirectory({ sandboxId, path }, directoryMode, makeParents, signal);
      return done;
    }
    case "fileRmRequest": {
      const { path, recursive } = operation.value;
      await files.remove({ sandboxId, path }, recursive, signal);
      return done;
    }
    case "fileLsRequest":
      return { outcome: { kind: "list", path: operation.value.path } };
    case "fileWatchRequest": {
      const { path, recursive, timeoutSecs } = operation.value;
      const until = timeoutSecs === undefined ? null : Date.now() + Number(timeoutSecs) * 1000;
      return { outcome: { kind: "watch", path, recursive, until } };
    }
    default:
      throw new StatusError("unimplemented", "cannot change bytes within a file: write them at their place instead");
  }
}

/** Output in batches, and one that says that it is over; without that one the client asks again. */
async function* output(core: Core, { execId, timeout }: ContainerFilesystemExecGetOutputRequest, { signal }: Call) {
  const { sandboxId, outcome } = outcomeOf(core.signed, execId);
  const hold = AbortSignal.timeout(timeout > 0 ? Math.min(timeout * 1000, normalHoldMs) : normalHoldMs);
  let batchIndex = 0n;
  try {
    for await (const bytes of bytesOf(core, sandboxId, outcome, AbortSignal.any([signal, hold]))) {
      yield { output: [bytes], batchIndex };
      batchIndex += 1n;
    }
  } catch (error) {
    if (hold.aborted && !signal.aborted) return;
    const failure = failed(error);
    if (failure?.kind !== "failed") throw error;
    yield { error: { errorCode: failure.errno, errorMessage: failure.message }, batchIndex };
    batchIndex += 1n;
  }
  if (outcome.kind === "failed") {
    yield { error: { errorCode: outcome.errno, errorMessage: outcome.message }, batchIndex };
    batchIndex += 1n;
  }
  yield { eof: true, batchIndex };
}

async function* bytesOf(
  { files }: Core,
  sandboxId: string,
  outcome: Outcome,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (outcome.kind === "read" && outcome.length > 0) {
    const { path, offset, length } = outcome;
    yield* (await files.read({ sandboxId, path }, offset, length, signal)).source;
  }
  if (outcome.kind === "list") {
    const groups = await Array.fromAsync(files.list({ sandboxId, path: outcome.path }, false, signal));
    const paths = groups.flat().map(({ path }) => posix.basename(path));
    yield Buffer.from(JSON.stringify({ paths: paths.sort() }));
  }
  if (outcome.kind === "watch") yield* events(files, sandboxId, outcome, signal);
}

async function* events(
  files: Core["files"],
  sandboxId: string,
  { path, recursive, until }: Outcome & { readonly kind: "watch" },
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const over = until === null ? new AbortController().signal : AbortSignal.timeout(Math.max(0, until - Date.now()));
  try {
    for await (const group of files.watch({ sandboxId, path }, recursive, undefined, AbortSignal.any([signal, over]))) {
      for (const event of group) {
        const { event_type: type, paths } = eventInfo(event);
        // They know no renames; those are changes to them.
        const known = type.startsWith("Rename") ? "Modify" : type;
        yield Buffer.from(`${JSON.stringify({ event_type: known, paths })}\n\n`);
      }
    }
  } catch (error) {
    if (!over.aborted || signal.aborted) throw error;
  }
}

import { AtollError } from "../../error.ts";
import { checkTask } from "../client/access.ts";
import { ptyOf } from "../client/definition.ts";
import { environmentOf } from "../client/sandboxes.ts";
import { piece } from "../client/stdio.ts";
import type { Core, TaskCall } from "../core.ts";
import {
  TaskExecPollRequestSchema,
  TaskExecPollResponseSchema,
  type TaskExecStartRequest,
  TaskExecStartRequestSchema,
  TaskExecStartResponseSchema,
  TaskExecStdinStatusRequestSchema,
  TaskExecStdinStatusResponseSchema,
  TaskExecStdinWriteRequestSchema,
  TaskExecStdinWriteResponseSchema,
  type TaskExecStdinWriteStreamRequest,
  TaskExecStdinWriteStreamRequestSchema,
  TaskExecStdinWriteStreamResponseSchema,
  TaskExecStdioReadRequestSchema,
  TaskExecStdioReadResponseSchema,
  TaskExecWaitRequestSchema,
  TaskExecWaitResponseSchema,
} from "../generated/router_pb.ts";
import { clientStream, type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { processIdOf } from "../ids.ts";
import { processEnd } from "../result.ts";
import { Execs } from "./execs.ts";

/** TaskExecStdioFileDescriptor */
const stderr = 1;
const waitMs = 600_000;

interface Named {
  readonly taskId: string;
  readonly execId: string;
}

export function execRpcs(core: Core): Rpcs<TaskCall> {
  const execs = new Execs(core);
  return {
    TaskExecStart: unary(TaskExecStartRequestSchema, TaskExecStartResponseSchema, async (request, call: TaskCall) => {
      const { sandboxId, id } = target(request, call);
      await execs.start(sandboxId, id, execOf(core, request), call.signal);
      return {};
    }),
    TaskExecStdioRead: serverStream(
      TaskExecStdioReadRequestSchema,
      TaskExecStdioReadResponseSchema,
      async function* (request, call: TaskCall) {
        const { sandboxId, id } = target(request, call);
        const stream = request.fileDescriptor === stderr ? "stderr" : "stdout";
        for await (const data of execs.read(sandboxId, id, stream, Number(request.offset), call.signal))
          if (data.length > 0) yield { data };
      },
    ),
    TaskExecWait: unary(TaskExecWaitRequestSchema, TaskExecWaitResponseSchema, async (request, call: TaskCall) => {
      const { sandboxId, id } = target(request, call);
      const { result } = await execs.wait(sandboxId, id, waitMs, call.signal);
      return result ? { how: processEnd(result) } : {};
    }),
    TaskExecPoll: unary(TaskExecPollRequestSchema, TaskExecPollResponseSchema, (request, call: TaskCall) => {
      const { sandboxId, id } = target(request, call);
      const { result } = execs.get(sandboxId, id);
      return result ? { how: processEnd(result) } : {};
    }),
    TaskExecStdinWrite: unary(
      TaskExecStdinWriteRequestSchema,
      TaskExecStdinWriteResponseSchema,
      async (request, call: TaskCall) => {
        const { sandboxId, id } = target(request, call);
        await writeAt(execs, sandboxId, id, request, call);
        return {};
      },
    ),
    TaskExecStdinWriteStream: clientStream(
      TaskExecStdinWriteStreamRequestSchema,
      TaskExecStdinWriteStreamResponseSchema,
      async (requests, call: TaskCall) => {
        const first = await requests.next();
        const start = first.done ? undefined : first.value.part;
        if (start?.case !== "start") throw new AtollError("invalid_argument", "cannot write to stdin without a start");
        const { sandboxId, id } = target(start.value, call);
        const body = new StreamBody(requests);
        await execs.writeStdin(sandboxId, id, Number(start.value.offset), body.pieces(), false, call.signal);
        if (body.isEnded) await closeStdin(execs, sandboxId, id, call);
        return {};
      },
    ),
    TaskExecStdinStatus: unary(
      TaskExecStdinStatusRequestSchema,
      TaskExecStdinStatusResponseSchema,
      (request, call: TaskCall) => {
        const { sandboxId, id } = target(request, call);
        const { offset, isClosed } = execs.stdinPosition(sandboxId, id);
        return { numBytesWritten: BigInt(offset), closed: isClosed };
      },
    ),
  };
}

function target({ taskId, execId }: Named, call: TaskCall) {
  return { sandboxId: checkTask(taskId, call.sandboxId), id: processIdOf(execId) };
}

function execOf(core: Core, request: TaskExecStartRequest) {
  const { commandArgs, env, workdir, timeoutSecs, ptyInfo, secretIds, secretSources, containerId } = request;
  if (containerId !== "") throw new AtollError("not_found", `cannot find the container ${containerId}`);
  if (commandArgs.length === 0) throw new AtollError("invalid_argument", "cannot start a process without a command");
  const own =
    secretSources.length > 0 ? environmentOf(core, secretSources) : { ...core.secrets.environment(secretIds), ...env };
  return {
    argv: commandArgs,
    env: own,
    ...(workdir && { workdir }),
    ...(timeoutSecs && { timeoutMs: timeoutSecs * 1000 }),
    ...(ptyInfo?.enabled && { pty: ptyOf(ptyInfo) }),
  };
}

interface Write {
  readonly offset: bigint;
  readonly data: Uint8Array;
  readonly eof: boolean;
}

/** What takes stdin. */
type Writable = Pick<Execs, "get" | "writeStdin">;

/** A close comes with an offset of its own making, and may come more than once, or after the end. */
export async function writeAt(
  processes: Writable,
  sandboxId: string,
  id: string,
  write: Write,
  call: TaskCall,
): Promise<void> {
  const { offset, data, eof } = write;
  if (data.length > 0) await processes.writeStdin(sandboxId, id, Number(offset), piece(data), false, call.signal);
  if (eof) await closeStdin(processes, sandboxId, id, call);
}

async function closeStdin(processes: Writable, sandboxId: string, id: string, call: TaskCall): Promise<void> {
  if (processes.get(sandboxId, id).result) return;
  try {
    await processes.writeStdin(sandboxId, id, undefined, piece(Buffer.alloc(0)), true, call.signal);
  } catch (error) {
    if (!(error instanceof AtollError && error.code === "process_finished")) throw error;
  }
}

/** The bytes of a stream of requests behind its start, and whether it said that there are no more. */
class StreamBody {
  readonly #requests: AsyncGenerator<TaskExecStdinWriteStreamRequest>;
  isEnded = false;

  constructor(requests: AsyncGenerator<TaskExecStdinWriteStreamRequest>) {
    this.#requests = requests;
  }

  async *pieces(): AsyncGenerator<Buffer> {
    for await (const { part } of this.#requests) {
      if (part.case === "end") this.isEnded = true;
      else if (part.case === "data" && !this.isEnded) yield* piece(part.value);
      else
        throw new AtollError(
          "invalid_argument",
          "cannot write to stdin: data and an end follow the start, in this order",
        );
    }
  }
}

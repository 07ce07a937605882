import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Handlers } from "./call.ts";

const normalWaitMs = 30_000;

export function processHandlers(
  processes: SandboxProcesses,
): Pick<
  Handlers,
  "exec" | "listProcesses" | "getProcess" | "waitProcess" | "readOutput" | "writeStdin" | "signalProcess" | "resizePty"
> {
  return {
    exec: ({ params, body, repeatable, signal }) => processes.exec(params.sandboxId, body, repeatable, signal),
    listProcesses: ({ params }) => ({ items: processes.list(params.sandboxId) }),
    getProcess: ({ params }) => processes.get(params.sandboxId, params.processId),
    waitProcess: ({ params, query, signal }) =>
      processes.wait(params.sandboxId, params.processId, query.timeoutMs ?? normalWaitMs, signal),
    readOutput: ({ params, query, signal }) => {
      const log = processes.output(params.sandboxId, params.processId, params.stream);
      const offset = query.offset ?? 0;
      log.checkOffset(offset);
      return { offset, source: log.read(offset, query.follow ?? true, signal) };
    },
    writeStdin: async ({ params, query, body, signal }) => {
      const source: AsyncIterable<Buffer> = body ?? emptyBody();
      const { sandboxId, processId } = params;
      const eof = query.eof ?? false;
      return { offset: await processes.writeStdin(sandboxId, processId, query.offset, source, eof, signal) };
    },
    signalProcess: ({ params, body }) => processes.signal(params.sandboxId, params.processId, body.signal),
    resizePty: ({ params, body }) => processes.resize(params.sandboxId, params.processId, body.rows, body.cols),
  };
}

/** A request without a body has no stream either. */
async function* emptyBody(): AsyncGenerator<Buffer> {
  yield* [];
}

import { newestEntries } from "../processes/log-entries.ts";
import type { StreamName } from "../processes/process.ts";
import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Handlers } from "./call.ts";

const normalWaitMs = 30_000;
const normalEntries = 1000;

export function processHandlers(
  processes: SandboxProcesses,
): Pick<
  Handlers,
  | "exec"
  | "listProcesses"
  | "getProcess"
  | "waitProcess"
  | "readOutput"
  | "readLog"
  | "writeStdin"
  | "signalProcess"
  | "resizePty"
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
    readLog: async ({ params, query, signal }) => {
      const { stream, since, until, search, limit } = query;
      const names = stream === undefined ? (["stdout", "stderr"] as const) : [stream];
      const range = { since: instant(since, 0), until: instant(until, Number.POSITIVE_INFINITY), search };
      const streamOf = (name: StreamName) => {
        const log = processes.output(params.sandboxId, params.processId, name);
        return { name, log, end: log.length };
      };
      const streams = { stdout: streamOf("stdout"), stderr: streamOf("stderr") };
      const wanted = names.map((name) => streams[name]);
      const entries = await newestEntries(wanted, range, limit ?? normalEntries, signal);
      const items = entries.map(({ at, ...entry }) => ({ at: new Date(at).toISOString(), ...entry }));
      return { items, stdoutBytes: streams.stdout.end, stderrBytes: streams.stderr.end };
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

function instant(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Date.parse(text);
}

/** A request without a body has no stream either. */
async function* emptyBody(): AsyncGenerator<Buffer> {
  yield* [];
}

/** Processes of sandboxes, and their streams. */
import Type, { type Static } from "typebox";
import { offset, ofSandbox, sandboxId, waitQuery } from "./parameters.ts";
import type { Route } from "./route.ts";
import { AbsolutePath, Argv, closed, Environment, Id, Instant, Pty, Result, ScopedName } from "./values.ts";

export const Exec = Type.Object(
  {
    argv: Type.Array(Type.String({ maxLength: 131_072 }), { minItems: 1, maxItems: 4096 }),
    env: Type.Optional(Environment),
    secrets: Type.Optional(Type.Array(ScopedName, { maxItems: 64 })),
    workdir: Type.Optional(AbsolutePath),
    user: Type.Optional(Type.String({ maxLength: 255 })),
    pty: Type.Optional(Pty),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800_000 })),
    stdin: Type.Optional(
      Type.Boolean({ description: "Keep stdin open for writing; true when absent. With false it reads as empty." }),
    ),
  },
  closed,
);

export const Process = Type.Object(
  {
    id: Type.String({
      pattern: "^(main|ex-[0-9A-Za-z]{22})$",
      description: "Id of the process; `main` is the sandbox's own command.",
    }),
    sandboxId: Id("sb", "Id of its sandbox."),
    argv: Argv,
    state: Type.Union([Type.Literal("starting"), Type.Literal("running"), Type.Literal("finished")]),
    result: Type.Optional(Result),
    pty: Type.Optional(Pty),
    startedAt: Type.Optional(Instant),
    finishedAt: Type.Optional(Instant),
    stdoutBytes: Type.Integer({
      description: "Bytes of stdout kept so far; also the offset where reading it continues.",
    }),
    stderrBytes: Type.Integer(),
    outputLimited: Type.Boolean({ description: "The log is at its limit and the process is being held back." }),
  },
  closed,
);

export const ProcessList = Type.Object({ items: Type.Array(Process) }, closed);

export const Log = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          at: Instant,
          stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]),
          text: Type.String({
            description: "A line with its line feed, if it has one; longer than 64 KiB in several.",
          }),
        },
        closed,
      ),
    ),
    stdoutBytes: Type.Integer({ description: "Offset where reading stdout goes on behind these." }),
    stderrBytes: Type.Integer(),
  },
  closed,
);

export const StdinPosition = Type.Object(
  { offset: Type.Integer({ description: "Bytes of stdin accepted so far." }) },
  closed,
);

export type Exec = Static<typeof Exec>;
export type Log = Static<typeof Log>;
export type Process = Static<typeof Process>;

const processId = Type.String({
  maxLength: 64,
  description: "Id of a process, or `main` for the sandbox's own command.",
});
const ofProcess = Type.Object({ sandboxId, processId });

export const processRoutes = {
  exec: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes",
    summary: "Start a process in the sandbox",
    params: ofSandbox,
    body: Exec,
    response: Process,
    status: 201,
    isIdempotent: true,
  },
  listProcesses: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes",
    summary: "List the sandbox's processes",
    params: ofSandbox,
    response: ProcessList,
  },
  getProcess: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}",
    summary: "One process",
    params: ofProcess,
    response: Process,
  },
  waitProcess: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/wait",
    summary: "Wait until the process is finished",
    params: ofProcess,
    query: waitQuery,
    response: Process,
  },
  readOutput: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/output/{stream}",
    summary: "Bytes of stdout or stderr from an offset, as they arrive, until the stream ends",
    params: Type.Object({ sandboxId, processId, stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]) }),
    query: Type.Object(
      {
        offset,
        follow: Type.Optional(Type.Boolean({ description: "With false, stop at what there is now. Default true." })),
      },
      closed,
    ),
    response: "bytes",
  },
  readLog: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/log",
    summary: "Lines of its output with the time at which each came, the newest ones, oldest first",
    params: ofProcess,
    query: Type.Object(
      {
        stream: Type.Optional(Type.Union([Type.Literal("stdout"), Type.Literal("stderr")])),
        since: Type.Optional(Instant),
        until: Type.Optional(Type.String({ format: "date-time", description: "Only what came before it." })),
        search: Type.Optional(
          Type.String({ minLength: 1, maxLength: 4096, description: "Only lines that have this in them." }),
        ),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 20_000, description: "1000 when absent." })),
      },
      closed,
    ),
    response: Log,
  },
  writeStdin: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/stdin",
    summary: "Write bytes at an offset of stdin; a repeated write is not doubled",
    params: ofProcess,
    query: Type.Object(
      { offset, eof: Type.Optional(Type.Boolean({ description: "Close stdin after these bytes." })) },
      closed,
    ),
    body: "bytes",
    response: StdinPosition,
  },
  signalProcess: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/signal",
    summary: "Send a signal to the process and its group",
    params: ofProcess,
    body: Type.Object({ signal: Type.String({ pattern: "^SIG[A-Z0-9]+$" }) }, closed),
    response: Process,
  },
  resizePty: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/resize",
    summary: "Change the size of the process's terminal",
    params: ofProcess,
    body: Type.Object({ rows: Pty.properties.rows, cols: Pty.properties.cols }, closed),
    response: Process,
  },
  terminal: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/terminal",
    summary:
      "A WebSocket to the process's terminal. Binary messages are bytes; text messages are JSON: {resize:{rows,cols}} from the client, {result} from the server at the end. The subprotocol is `atoll`; a client that cannot set headers offers `bearer.TOKEN` beside it.",
    params: ofProcess,
    query: Type.Object({ offset }, closed),
    response: "websocket",
  },
} as const satisfies Record<string, Route>;

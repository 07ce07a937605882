import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { routes } from "@atoll/protocol";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Admission } from "./admission.ts";
import { rawErrorAnswer } from "./answer-error.ts";
import { pathPattern } from "./edge.ts";

export interface TerminalOptions {
  readonly processes: SandboxProcesses;
  readonly admission: Admission;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

interface Target {
  readonly sandboxId: string;
  readonly processId: string;
  readonly offset: number;
}

const mostUnsentBytes = 1024 * 1024;
const longestMessageBytes = 1024 * 1024;
/** A peer that is gone without a word is noticed within two of these. */
const heartbeatMs = 30_000;
/** A client that does not answer the close of its terminal is let go after this. */
const lastWordsMs = 500;
const pattern = pathPattern(routes.terminal.path);

/** Serves terminals over WebSocket on the upgrades of an HTTP server. */
export function serveTerminals(server: Server, options: TerminalOptions): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: longestMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has("atoll") ? "atoll" : false),
  });
  server.on("upgrade", (request, socket, head) => {
    try {
      options.admission.checkOrigin(request.headers);
      options.admission.checkToken(request.headers);
      const target = targetOf(request);
      checkTerminal(options.processes, target);
      sockets.handleUpgrade(request, socket, head, (opened) => void serve(opened, target, options));
    } catch (error) {
      refuse(socket, error);
    }
  });
}

function refuse(socket: Duplex, error: unknown): void {
  socket.on("error", () => socket.destroy());
  socket.end(rawErrorAnswer(error, `req-${randomText(16)}`));
}

/** @throws AtollError not_found, invalid_argument */
function targetOf(request: IncomingMessage): Target {
  const url = new URL(request.url ?? "/", "http://localhost");
  const found = pattern.exec(url.pathname)?.groups;
  const { sandboxId, processId } = found ?? {};
  if (sandboxId === undefined || processId === undefined) {
    throw new AtollError(
      "not_found",
      `cannot open a WebSocket at ${url.pathname}`,
      "See /openapi.json for what there is.",
    );
  }
  const text = url.searchParams.get("offset") ?? "0";
  if (!/^\d{1,15}$/.test(text))
    throw new AtollError("invalid_argument", "cannot use the offset: it is not a whole number");
  return { sandboxId, processId, offset: Number(text) };
}

function checkTerminal(processes: SandboxProcesses, { sandboxId, processId, offset }: Target): void {
  if (processes.get(sandboxId, processId).pty === undefined) {
    throw new AtollError("invalid_argument", `cannot open the terminal of ${processId}: it was started without one`);
  }
  processes.output(sandboxId, processId, "stdout").checkOffset(offset);
}

async function serve(socket: WebSocket, target: Target, options: TerminalOptions): Promise<void> {
  const closed = new AbortController();
  const signal = AbortSignal.any([closed.signal, options.stopping]);
  socket.on("close", () => closed.abort(new Error("the client went away")));
  socket.on("error", (error) => options.log.debug({ err: error }, "a terminal's connection failed"));
  keepAlive(socket, closed.signal);
  receive(socket, target, options, signal);
  try {
    await sendOutput(socket, target, options.processes, signal);
    socket.close(1000);
  } catch (error) {
    if (!signal.aborted) options.log.error({ err: error }, "cannot serve a terminal");
    // 1012: the service restarts. The client continues at its offset.
    socket.close(options.stopping.aborted ? 1012 : 1011);
    setTimeout(() => socket.terminate(), lastWordsMs).unref();
  }
}

async function sendOutput(
  socket: WebSocket,
  { sandboxId, processId, offset }: Target,
  processes: SandboxProcesses,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of processes.output(sandboxId, processId, "stdout").read(offset, true, signal)) {
    await send(socket, piece);
  }
  let { result } = processes.get(sandboxId, processId);
  while (!result) result = (await processes.wait(sandboxId, processId, 60_000, signal)).result;
  await send(socket, JSON.stringify({ result }));
}

/** Settles at once while little is unsent, else when this message was sent. */
function send(socket: WebSocket, message: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, (error) => (error ? reject(error) : resolve()));
    if (socket.bufferedAmount < mostUnsentBytes) resolve();
  });
}

/** Messages are handled in order; while one waits for the process to read, the socket is not read either. */
function receive(socket: WebSocket, target: Target, options: TerminalOptions, signal: AbortSignal): void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  socket.on("message", (data, isBinary) => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(data as Buffer[]);
    waiting += bytes.length;
    if (waiting > mostUnsentBytes) socket.pause();
    last = last
      .then(() =>
        isBinary ? type(bytes, target, options.processes, signal) : command(bytes, target, options.processes),
      )
      .catch((error: unknown) => {
        if (error instanceof AtollError && error.code !== "process_finished")
          socket.close(1008, error.message.slice(0, 120));
      })
      .finally(() => {
        waiting -= bytes.length;
        if (waiting <= mostUnsentBytes) socket.resume();
      });
  });
}

async function type(bytes: Buffer, target: Target, processes: SandboxProcesses, signal: AbortSignal): Promise<void> {
  await processes.writeStdin(target.sandboxId, target.processId, undefined, once(bytes), false, signal);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** @throws AtollError invalid_argument when it is no `{"resize":{"rows":R,"cols":C}}` */
function command(bytes: Buffer, target: Target, processes: SandboxProcesses): void {
  const { rows, cols } = sizeIn(bytes.toString("utf8"));
  processes.resize(target.sandboxId, target.processId, rows, cols);
}

function sizeIn(text: string): { rows: number; cols: number } {
  try {
    const { rows, cols } = JSON.parse(text).resize;
    if (isSize(rows) && isSize(cols)) return { rows, cols };
  } catch {
    // Not JSON, or without the object: told below.
  }
  throw new AtollError("invalid_argument", "cannot read the message: it must be {resize:{rows,cols}}");
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
}

function keepAlive(socket: WebSocket, closed: AbortSignal): void {
  let isAlive = true;
  socket.on("pong", () => {
    isAlive = true;
  });
  const timer = setInterval(() => {
    if (!isAlive && !socket.isPaused) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, heartbeatMs);
  closed.addEventListener("abort", () => clearInterval(timer), { once: true });
}

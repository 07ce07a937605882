/** A person's end of a process's terminal, over one WebSocket. */
import { abortError, checkAborted, sleep } from "./abort.ts";
import type { Client } from "./client.ts";
import { AbortedError, ConnectionError, InvalidError, UnsupportedError } from "./errors.ts";
import type { Result } from "./generated/api.ts";
import { requestPath } from "./request.ts";
import type { FinishedResult } from "./result.ts";

export interface TerminalOptions {
  /** First byte of the output wanted; 0, the default, begins with everything shown so far. */
  readonly offset?: number | undefined;
  /** Detaches from the terminal when aborted. */
  readonly signal?: AbortSignal | undefined;
}

interface Params {
  readonly sandboxId: string;
  readonly processId: string;
}

interface Connection {
  readonly socket: WebSocket;
  readonly opened: Promise<boolean>;
  /** How the process ended, if that was told before the connection closed. */
  readonly closed: Promise<Result | undefined>;
}

/** Beyond this much unread output the connection is let go; it is taken up at the same byte once there is room. */
const maxUnreadBytes = 4 * 2 ** 20;
const maxUnsentBytes = 2 ** 20;
/** Connections in a row that fail, or end at once without a byte, before it is given up. */
const attempts = 6;
const steadyMs = 5_000;
const firstPauseMs = 50;

/**
 * Attaches to the terminal of a process.
 * @throws {InvalidError} when it was started without one
 * @throws {UnsupportedError} where the runtime has no WebSocket (Node 20)
 */
export async function openTerminal(client: Client, params: Params, options: TerminalOptions): Promise<Terminal> {
  checkAborted(options.signal);
  const terminal = new Terminal(client, params, options);
  await terminal.attach();
  return terminal;
}

export class Terminal {
  /** What the terminal shows, as bytes, until the process ends. A lost connection is continued at the same byte. */
  readonly output: ReadableStream<Uint8Array>;
  /** How the process ended. Rejects when the terminal was closed before, or the connection could not be restored. */
  readonly result: Promise<FinishedResult>;
  readonly #client: Client;
  readonly #params: Params;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#finish(abortError(this.#signal as AbortSignal));
  #offset: number;
  #socket: WebSocket | undefined;
  #unsent: (string | Uint8Array<ArrayBuffer>)[] = [];
  #isFinished = false;
  #output!: ReadableStreamDefaultController<Uint8Array>;
  #resolve!: (result: FinishedResult) => void;
  #reject!: (error: unknown) => void;
  #onRoom: (() => void) | undefined;

  constructor(client: Client, params: Params, options: TerminalOptions) {
    this.#client = client;
    this.#params = params;
    this.#signal = options.signal;
    this.#offset = options.offset ?? 0;
    this.output = this.#makeOutput();
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // The output fails with the same error; a program that reads only that is not to die of this one.
    this.result.catch(() => undefined);
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Called once, by `openTerminal`. */
  async attach(): Promise<void> {
    try {
      void this.#run(await this.#connect());
    } catch (error) {
      this.#finish(error);
      throw error;
    }
  }

  /** Types text or bytes. What is typed while the connection is being restored is sent afterwards. */
  write(data: string | Uint8Array): void {
    this.#send(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
  }

  /** Changes the size of the terminal. */
  resize(rows: number, cols: number): void {
    this.#send(JSON.stringify({ resize: { rows, cols } }));
  }

  /** Detaches. The process goes on. */
  close(): void {
    this.#finish(
      new AbortedError("cannot say how the process ended: the terminal was closed before", {
        code: "aborted",
        hint: "Use wait() of the process.",
      }),
    );
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #makeOutput(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#output = controller;
        },
        pull: () => this.#onRoom?.(),
        cancel: () => this.close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxUnreadBytes }),
    );
  }

  async #run(first: Connection): Promise<void> {
    try {
      let fruitless = 0;
      for (let connection = first; ; connection = await this.#connect()) {
        const { startedAt, startOffset } = { startedAt: Date.now(), startOffset: this.#offset };
        const result = await connection.closed;
        this.#socket = undefined;
        if (result) return this.#finish(undefined, result);
        if (this.#isFinished) return;
        fruitless = this.#offset > startOffset || Date.now() - startedAt > steadyMs ? 0 : fruitless + 1;
        if (fruitless === attempts) throw cannotAttach(this.#params);
        if (fruitless > 0) await sleep(firstPauseMs * 2 ** fruitless, this.#signal);
        await this.#room();
      }
    } catch (error) {
      this.#finish(error);
    }
  }

  #show(socket: WebSocket, bytes: Uint8Array): void {
    this.#offset += bytes.length;
    this.#output.enqueue(bytes);
    if ((this.#output.desiredSize ?? 0) <= 0) socket.close();
  }

  #room(): Promise<void> {
    if ((this.#output.desiredSize ?? 0) > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  async #connect(): Promise<Connection> {
    for (let attempt = 1; ; attempt++) {
      // A refused WebSocket does not say why; this request does, and waits for a server that restarts.
      const { pty } = await this.#client.request("getProcess", { params: this.#params, signal: this.#signal });
      if (!pty) throw noTerminal(this.#params);
      const connection = await this.#open();
      if (await connection.opened) return this.#use(connection);
      if (attempt === attempts) throw cannotAttach(this.#params);
      await sleep(firstPauseMs * 2 ** attempt, this.#signal);
    }
  }

  async #open(): Promise<Connection> {
    const { baseUrl, token } = await this.#client.endpoint(this.#signal);
    const path = requestPath("terminal", { params: { ...this.#params }, query: { offset: this.#offset } });
    // Browsers cannot set headers on a WebSocket, so the token is named as a protocol.
    const protocols = token ? ["atoll", `bearer.${token}`] : ["atoll"];
    const socket = new (webSocket())(baseUrl.replace(/^http/, "ws") + path, protocols);
    socket.binaryType = "arraybuffer";
    return this.#listen(socket);
  }

  /** All listeners are there before the socket opens: the first output may come in the same packet as the answer. */
  #listen(socket: WebSocket): Connection {
    let result: Result | undefined;
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") result = JSON.parse(data).result;
      else if (!this.#isFinished) this.#show(socket, new Uint8Array(data as ArrayBuffer));
    };
    const closed = new Promise<Result | undefined>((resolve) => {
      socket.onclose = () => resolve(result);
    });
    const opened = new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
      void closed.then(() => resolve(false));
    });
    return { socket, opened, closed };
  }

  #use(connection: Connection): Connection {
    const { socket } = connection;
    if (this.#isFinished) socket.close();
    this.#socket = socket;
    for (const message of this.#unsent.splice(0)) socket.send(message);
    return connection;
  }

  #send(message: string | Uint8Array<ArrayBuffer>): void {
    if (this.#isFinished) return;
    if (this.#socket?.readyState === WebSocket.OPEN && this.#socket.bufferedAmount <= maxUnsentBytes) {
      this.#socket.send(message);
    } else {
      this.#keep(message);
    }
  }

  #keep(message: string | Uint8Array<ArrayBuffer>): void {
    const kept = this.#unsent.reduce((sum, each) => sum + each.length, 0) + (this.#socket?.bufferedAmount ?? 0);
    if (kept + message.length > maxUnsentBytes) throw tooMuchTyped();
    this.#unsent.push(message);
  }

  #finish(error: unknown, result?: Result): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#onRoom?.();
    this.#socket?.close();
    if (result) this.#resolve({ ...result, returncode: result.exitCode });
    else this.#reject(error);
    this.#endOutput(error, result);
  }

  #endOutput(error: unknown, result: Result | undefined): void {
    try {
      if (result) this.#output.close();
      else this.#output.error(error);
    } catch {
      // The reader has cancelled the output, which is what closed the terminal.
    }
  }
}

function webSocket(): typeof WebSocket {
  if (typeof WebSocket === "function") return WebSocket;
  throw new UnsupportedError("cannot attach to a terminal: this runtime has no WebSocket", {
    code: "terminal_unavailable",
    hint: "Use Node 22 or newer, or the process's stdin and stdout, which work with a terminal too.",
  });
}

function noTerminal({ sandboxId, processId }: Params): InvalidError {
  return new InvalidError(`cannot attach to process ${processId} of sandbox ${sandboxId}: it has no terminal`, {
    code: "invalid_argument",
    hint: "Start it with pty, or use its stdin and stdout.",
  });
}

function cannotAttach({ sandboxId, processId }: Params): ConnectionError {
  return new ConnectionError(`cannot attach to the terminal of process ${processId} of sandbox ${sandboxId}`, {
    code: "connection_failed",
    hint: "A proxy before the server must pass WebSockets on; stdin and stdout work without them.",
  });
}

function tooMuchTyped(): InvalidError {
  return new InvalidError(`cannot hold more than ${maxUnsentBytes} bytes that the terminal has not taken`, {
    code: "stdin_full",
    hint: "Use stdin.write and stdin.drain to send much data.",
  });
}

/** The daemon's side of the conversation with the init of one sandbox. See native/PROTOCOL.md. */
import { chmodSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { FrameDecoder, ProtocolError } from "./frames.ts";
import { Ledger } from "./ledger.ts";
import {
  type FromInit,
  frameFor,
  fromInitLimit,
  messageOf,
  protocolVersion,
  type Resumption,
  type StartRequest,
  type Stream,
} from "./messages.ts";
import { Rate } from "./rate.ts";
import { Requests } from "./requests.ts";

/** Most bytes that wait in this process for an init that does not read. */
const unreadLimit = 16 << 20;
/** Most signals and sizes that wait for a connection. */
const queueLimit = 1024;
/** sun_path of unix(7), without its NUL. */
const socketPathLimit = 107;

/** What happens on a link. All calls come in the order of events; none may throw. */
export interface InitHandler {
  /** What the core has of each process. A process that init knows and this does not name is killed. */
  resume(): Iterable<Resumption>;
  /** RESUME was sent; `processes` are those that init still knew. */
  connected(processes: readonly number[]): void;
  disconnected(): void;
  /** Also repeated after each connection, as are stdinAck, eof and exited. */
  started(process: number, pid: number): void;
  /** step: user, cwd, exec, pty, fork or limit. Final: follow with release(). */
  startFailed(process: number, errno: number, step: string): void;
  /** Consecutive bytes. The buffer is the callee's to keep. */
  output(process: number, stream: Stream, offset: number, bytes: Buffer): void;
  eof(process: number, stream: Stream, offset: number): void;
  /** status as waitpid(2) gives it. */
  exited(process: number, status: number): void;
  /** init has written stdin up to the offset. closed: it takes no more. */
  stdinAck(process: number, offset: number, closed: boolean): void;
  /** Named by resume(), but never started in this sandbox, or released. */
  unknown(process: number): void;
  /** What came from inside cannot be believed. The link is closed for good. */
  violated(error: ProtocolError): void;
}

/**
 * One link lives as long as the daemon knows the sandbox, over any number of connections; the newest connection wins.
 *
 * While there is no connection, commands behave so that none is lost or done twice: `start` waits and is repeated until it is
 * answered; stdin that was not acknowledged is kept and sent again; `setup`, `probe` and `ping` are asked again; `signal`, `killAll`
 * and `resize` wait (a signal that was handed to a connection which then broke may be lost, so repeat what must happen until
 * exited()); `ack` and `release` need no repetition, since resume() says the same.
 */
export class InitLink {
  readonly #server: Server;
  #handler: InitHandler;
  readonly #ledger = new Ledger();
  readonly #requests = new Requests((frame) => this.#sendIfLive(frame));
  readonly #connections = new Rate({ burst: 50, perSecond: 10 });
  #queue: Buffer[] = [];
  #waiting = new Set<() => void>();
  #socket: Socket | undefined;
  #isLive = false;
  #isPaused = false;
  #closed: Error | undefined;

  private constructor(handler: InitHandler) {
    this.#handler = handler;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Listens on a unix socket, in place of a stale one. Anyone may connect to it: uid 0 of the sandbox is some uid of the host. So
   * the caller protects the directory. The handler is not called before the caller had its turn with the link.
   */
  static async listen(socketPath: string, handler: InitHandler): Promise<InitLink> {
    if (Buffer.byteLength(socketPath) > socketPathLimit) {
      throw new RangeError(`cannot listen on ${socketPath}: a socket's path has at most ${socketPathLimit} bytes`);
    }
    await rm(socketPath, { force: true });
    const link = new InitLink(handler);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen(socketPath, () => {
        link.#server.off("error", reject);
        /* Not awaited: init may connect at any later turn of the event loop, and the caller must hold the link by then. */
        chmodSync(socketPath, 0o666);
        resolve();
      });
    });
    return link;
  }

  /** Another handler hears all that follows. Only before a process was started. */
  handOver(handler: InitHandler): void {
    this.#handler = handler;
    if (this.#isLive) handler.connected([]);
  }

  /** Whether RESUME was exchanged and the connection stands. */
  get isConnected(): boolean {
    return this.#isLive;
  }

  /** Resolves at once while connected. Rejects when the signal ends it, or the link is closed. */
  whenConnected(signal: AbortSignal): Promise<void> {
    if (this.#isLive) return Promise.resolve();
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiting.delete(settle);
        signal.removeEventListener("abort", settle);
        if (this.#isLive) resolve();
        else reject(this.#closed ?? signal.reason);
      };
      if (this.#closed) reject(this.#closed);
      else this.#waiting.add(settle);
      signal.addEventListener("abort", settle, { once: true });
    });
  }

  /**
   * Enters the root file system ("" when the launcher has put it in place) and sets the hostname ("" leaves it).
   * `mostProcesses` is a limit that init sets as it enters; 0 when it is held from outside.
   * @returns errno 0, or the errno and the step that failed
   */
  async setup(
    root: string,
    hostname: string,
    signal: AbortSignal,
    mostProcesses = 0,
  ): Promise<{ errno: number; step: string }> {
    const frame = (request: number) => frameFor.setup(request, root, hostname, mostProcesses);
    const answer = await this.#requests.ask("setupDone", frame, signal);
    return { errno: answer.errno, step: answer.step };
  }

  /** Binds a directory of the holder to one of the root that init has entered. @returns errno 0, or what failed */
  async mount(source: string, target: string, signal: AbortSignal): Promise<{ errno: number; step: string }> {
    return this.#requests.ask("mountDone", (request) => frameFor.mount(request, source, target), signal);
  }

  /** Undoes that; an empty target has what is remembered of the source forgotten. @returns as `mount` */
  async unmount(source: string, target: string, signal: AbortSignal): Promise<{ errno: number; step: string }> {
    return this.#requests.ask("mountDone", (request) => frameFor.unmount(request, source, target), signal);
  }

  /** @throws RangeError when the request exceeds 1 MiB, or the number was used before */
  start(request: StartRequest): void {
    const frame = frameFor.start(request);
    this.#ledger.start(request.process, frame);
    this.#sendIfLive(frame);
  }

  /**
   * Bytes that were written before are skipped.
   * @throws RangeError on a gap, or with more than 64 KiB unacknowledged
   */
  writeStdin(process: number, offset: number, bytes: Buffer): void {
    this.#sendIfLive(this.#ledger.stdin(process)?.write(offset, bytes));
  }

  /** Ends stdin at the offset, where all of it was written. */
  closeStdin(process: number, offset: number): void {
    this.#sendIfLive(this.#ledger.stdin(process)?.close(offset));
  }

  /** The daemon keeps everything below the offset; init may forget it. */
  ack(process: number, stream: Stream, offset: number): void {
    if (this.#ledger.ack(process, stream, offset)) this.#sendIfLive(frameFor.ack(process, stream, offset));
  }

  /** Nothing of the process is wanted any more, and nothing of it is reported after this. */
  release(process: number): void {
    if (!this.#ledger.release(process)) return;
    if (!this.#isLive) {
      this.#ledger.forget(process);
      return;
    }
    this.#sendIfLive(frameFor.release(process));
    this.#requests.barrier(() => this.#ledger.forget(process));
  }

  /** To the process and its group. */
  signal(process: number, signo: number): void {
    this.#sendOrQueue(frameFor.signal(process, signo));
  }

  resize(process: number, rows: number, cols: number): void {
    this.#sendOrQueue(frameFor.resize(process, rows, cols));
  }

  /** To every process of the sandbox but init. */
  killAll(signo: number): void {
    this.#sendOrQueue(frameFor.killAll(signo));
  }

  /** Whether something listens on the port of the sandbox's loopback. */
  async probe(port: number, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#requests.ask("probeResult", (request) => frameFor.probe(request, port), signal);
    return answer.errno === 0;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#requests.ask("pong", frameFor.ping, signal);
  }

  /** init closes the connection and comes back in 250 ms. */
  hangUp(): void {
    this.#sendIfLive(frameFor.hangUp());
  }

  /** No further bytes are read from init, whose processes then wait; what was read already is still reported. */
  pauseReading(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Closes the socket and the connection. Processes run on, and the next daemon may listen. */
  async close(): Promise<void> {
    this.#end(new Error("cannot reach init: the link is closed"));
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#drop();
    this.#socket = socket;
    const decoder = new FrameDecoder(fromInitLimit);
    socket.on("data", (chunk) => this.#receive(socket, decoder, chunk as Buffer));
    socket.on("close", () => {
      if (socket === this.#socket) this.#drop();
    });
    if (this.#isPaused) socket.pause();
    if (!this.#connections.take()) this.#violate(new ProtocolError("cannot accept so many connections"));
  }

  #drop(): void {
    const wasLive = this.#isLive;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#isLive = false;
    this.#requests.disconnected();
    if (wasLive) this.#handler.disconnected();
  }

  /** A frame may make the handler close the link, or a newer connection have taken over, so each looks again. */
  #receive(socket: Socket, decoder: FrameDecoder, chunk: Buffer): void {
    try {
      for (const frame of decoder.decode(chunk)) {
        if (socket !== this.#socket) return;
        this.#take(messageOf(frame));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (socket === this.#socket) this.#violate(error);
    }
  }

  #take(message: FromInit): void {
    if (message.kind === "hello") this.#greet(message.version, message.processes);
    else if (!this.#isLive) throw new ProtocolError(`cannot accept ${message.kind} before HELLO`);
    else if ("request" in message) this.#requests.receive(message);
    else if (this.#ledger.receive(message)) this.#report(message);
  }

  #greet(version: number, processes: readonly number[]): void {
    if (this.#isLive) throw new ProtocolError("cannot accept HELLO twice");
    if (version !== protocolVersion) throw new ProtocolError(`cannot talk to an init of version ${version}`);
    const { list, frames } = this.#ledger.resume(new Set(processes), this.#handler.resume());
    this.#isLive = true;
    const queue = this.#queue;
    this.#queue = [];
    for (const frame of [frameFor.resume(list), ...frames, ...this.#requests.frames(), ...queue])
      this.#sendIfLive(frame);
    this.#handler.connected(processes);
    for (const settle of [...this.#waiting]) settle();
  }

  #report(message: Exclude<FromInit, { readonly request: number } | { readonly kind: "hello" }>): void {
    const handler = this.#handler;
    const { process } = message;
    switch (message.kind) {
      case "started":
        handler.started(process, message.pid);
        break;
      case "startFailed":
        handler.startFailed(process, message.errno, message.step);
        break;
      case "output":
        handler.output(process, message.stream, message.offset, message.bytes);
        break;
      case "eof":
        handler.eof(process, message.stream, message.offset);
        break;
      case "exited":
        handler.exited(process, message.status);
        break;
      case "stdinAck":
        handler.stdinAck(process, message.offset, message.closed);
        break;
      case "unknown":
        handler.unknown(process);
        break;
    }
  }

  #sendIfLive(frame: Buffer | undefined): void {
    if (frame === undefined || !this.#isLive || this.#socket === undefined) return;
    this.#socket.write(frame);
    if (this.#socket.writableLength > unreadLimit)
      this.#violate(new ProtocolError("cannot wait for an init that does not read"));
  }

  #sendOrQueue(frame: Buffer): void {
    if (this.#isLive) this.#sendIfLive(frame);
    else if (this.#queue.length >= queueLimit) throw new RangeError("cannot keep more commands for a lost connection");
    else if (!this.#closed) this.#queue.push(frame);
  }

  #violate(error: ProtocolError): void {
    if (this.#closed) return;
    this.#end(error);
    this.#server.close();
    this.#handler.violated(error);
  }

  #end(error: Error): void {
    this.#closed ??= error;
    this.#queue = [];
    this.#drop();
    this.#requests.failAll(this.#closed);
    for (const settle of [...this.#waiting]) settle();
  }
}

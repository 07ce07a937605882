import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { AtollError } from "../error.ts";
import { FrameDecoder } from "../init/frames.ts";
import { type Answer, attachFrame, decodeAnswer, frameLimit, protocolVersion } from "./frames.ts";
import { launcherLost } from "./launcher-error.ts";

export type Greeting = Extract<Answer, { type: "greeting" }>;
export type Gone = Extract<Answer, { type: "gone" }>;

const greetingLimitMs = 10_000;

interface Pending {
  answered(answer: Answer): void;
  failed(error: unknown): void;
}

interface Listener {
  gone(end: Gone): void;
  ended(error: AtollError): void;
}

/** A connection that the launcher has greeted: requests with their answers, and the ends that it reports. */
export class Connection {
  readonly greeting: Greeting;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #listener: Listener | undefined;
  /** What came before anybody listened. */
  #early: Gone[] = [];
  #lastRequest = 0;
  #hasEnded = false;

  private constructor(socket: Socket, greeting: Greeting) {
    this.#socket = socket;
    this.greeting = greeting;
  }

  /** Connects and takes over from any other daemon. @throws as Launcher.connect */
  static async open(
    socketPath: string,
    log: (message: string) => void,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    const limit = AbortSignal.any([AbortSignal.timeout(greetingLimitMs), ...(signal ? [signal] : [])]);
    const socket = connect(socketPath);
    try {
      await once(socket, "connect", { signal: limit });
      return await Connection.#greeted(socket, log, limit);
    } catch (error) {
      socket.on("error", () => undefined).destroy();
      throw error;
    }
  }

  static async #greeted(socket: Socket, log: (message: string) => void, limit: AbortSignal): Promise<Connection> {
    const greeted = Promise.withResolvers<Connection>();
    const decoder = new FrameDecoder(frameLimit);
    let connection: Connection | undefined;
    const ended = (error: unknown) => {
      greeted.reject(error);
      socket.destroy();
      if (connection !== undefined) connection.#end();
    };
    const take = (answer: Answer) => {
      if (connection !== undefined) return connection.#take(answer);
      connection = new Connection(socket, checkedGreeting(answer));
      socket.write(attachFrame());
      greeted.resolve(connection);
    };
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const frame of decoder.decode(chunk)) take(decodeAnswer(frame));
      } catch (error) {
        log(`the connection to the launcher was given up: ${error}`);
        ended(error);
      }
    });
    socket.on("error", ended);
    socket.on("close", () => ended(launcherLost()));
    const abort = () => greeted.reject(limit.reason);
    limit.addEventListener("abort", abort, { once: true });
    try {
      return await greeted.promise;
    } finally {
      limit.removeEventListener("abort", abort);
    }
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  listen(listener: Listener): void {
    this.#listener = listener;
    for (const gone of this.#early) listener.gone(gone);
    this.#early = [];
    if (this.#hasEnded) listener.ended(launcherLost());
  }

  send(frame: Buffer): void {
    if (!this.#hasEnded) this.#socket.write(frame);
  }

  /**
   * @param frame makes the request with the number that its answers repeat
   * @param answered tells whether that answer was the last
   * @returns the number
   */
  request(
    frame: (request: number) => Buffer,
    answered: (answer: Answer) => boolean,
    failed: (error: unknown) => void,
  ): number {
    const request = this.#nextRequest();
    if (this.#hasEnded) {
      failed(launcherLost());
      return request;
    }
    const bytes = frame(request);
    const takeAnswer = (answer: Answer) => {
      if (answered(answer)) this.#pending.delete(request);
    };
    this.#pending.set(request, { answered: takeAnswer, failed });
    this.#socket.write(bytes);
    return request;
  }

  /** Whether a request still has an answer to come. */
  awaits(request: number): boolean {
    return this.#pending.has(request);
  }

  /**
   * Sends a request with one answer, of that type.
   * @param first sees the answer before any later frame is looked at
   */
  ask<T extends Answer["type"]>(
    frame: (request: number) => Buffer,
    type: T,
    first?: (answer: Extract<Answer, { type: T }>) => void,
  ): Promise<Extract<Answer, { type: T }>> {
    type Wanted = Extract<Answer, { type: T }>;
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>();
    const isWanted = (answer: Answer): answer is Wanted => answer.type === type;
    const answered = (answer: Answer) => {
      if (!isWanted(answer)) reject(new Error(`cannot use the answer ${answer.type} where ${type} was due`));
      else {
        first?.(answer);
        resolve(answer);
      }
      return true;
    };
    this.request(frame, answered, reject);
    return promise;
  }

  close(): void {
    this.#socket.destroySoon();
    this.#end();
  }

  #nextRequest(): number {
    do this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    while (this.#pending.has(this.#lastRequest));
    return this.#lastRequest;
  }

  #take(answer: Answer): void {
    if (answer.type === "greeting") return;
    if (answer.type !== "gone") this.#pending.get(answer.request)?.answered(answer);
    else if (this.#listener === undefined) this.#early.push(answer);
    else this.#listener.gone(answer);
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const error = launcherLost();
    for (const { failed } of this.#pending.values()) failed(error);
    this.#pending.clear();
    this.#listener?.ended(error);
  }
}

function checkedGreeting(answer: Answer): Greeting {
  if (answer.type !== "greeting") throw new Error(`cannot greet a launcher that begins with ${answer.type}`);
  if (answer.version === protocolVersion) return answer;
  throw new AtollError(
    "unavailable",
    `cannot use a launcher of protocol version ${answer.version}; this server speaks ${protocolVersion}`,
    "Run `atoll stop` with the version that started it, and start the server again.",
  );
}

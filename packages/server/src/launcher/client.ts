/** The daemon's side of the launcher: every program that the daemon has run, and every root it builds, goes through here. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { constants } from "node:os";
import { AtollError } from "../error.ts";
import { FrameDecoder } from "../init/frames.ts";
import {
  type Answer,
  attachFrame,
  type Claim,
  claimFrame,
  decodeAnswer,
  forgetFrame,
  frameLimit,
  killFrame,
  type ProcessId,
  protocolVersion,
  type Spawn,
  spawnFrame,
  watchFrame,
} from "./frames.ts";
import { LauncherError, launcherLost } from "./launcher-error.ts";
import { startLauncher } from "./start.ts";
import { exitOf, WatchedProcess } from "./watched-process.ts";

export type { Bind, Claim, ProcessId } from "./frames.ts";
export { LauncherError } from "./launcher-error.ts";
export { exitOf, type ProcessEnd, WatchedProcess } from "./watched-process.ts";

export interface SpawnOptions {
  /** The whole environment; PATH of the daemon alone when undefined. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** cgroup.procs files that the program enters before it is executed. */
  readonly cgroups?: readonly string[] | undefined;
  /** In the host's network namespace instead of the gateway's. */
  readonly inHostNetwork?: boolean | undefined;
  /** With /proc/sys/net hidden in a mount namespace of its own (runsc). */
  readonly hideProcSysNet?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends SpawnOptions {
  readonly stdin?: string | undefined;
  /** The program and its process group are killed when this has passed. */
  readonly timeoutMs?: number | undefined;
}

export interface RunResult {
  /** As waitpid(2) gives it. */
  readonly status: number;
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** At most 64 KiB of each stream; the rest was dropped. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface ConnectOptions {
  readonly log?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EnsureOptions extends ConnectOptions {
  readonly socketPath: string;
  /** The native program. */
  readonly binary: string;
  readonly pidfile: string;
  /** Where a launcher that is started here writes what it has to say. */
  readonly logFile: string;
}

const greetingLimitMs = 10_000;

interface Pending {
  answered(answer: Answer): void;
  failed(error: unknown): void;
}

export class Launcher {
  readonly pid: number;
  /** Settles when the connection has ended for any reason; everything that waits has ended then too. */
  readonly lost: Promise<void>;
  readonly #socket: Socket;
  readonly #log: (message: string) => void;
  readonly #lost = Promise.withResolvers<void>();
  readonly #pending = new Map<number, Pending>();
  readonly #watched = new Map<string, WatchedProcess>();
  #lastRequest = 0;
  #hasEnded = false;
  #isClosed = false;

  private constructor(socket: Socket, greeting: Answer & { type: "greeting" }, log: (message: string) => void) {
    this.#socket = socket;
    this.#log = log;
    this.pid = greeting.pid;
    this.lost = this.#lost.promise;
    for (const id of greeting.watched) this.#track(id);
  }

  /**
   * Takes the launcher over from any other daemon.
   * @throws the socket's error (ENOENT, ECONNREFUSED) when none runs; AtollError when it is of another version
   */
  static async connect(socketPath: string, { log = () => undefined, signal }: ConnectOptions = {}): Promise<Launcher> {
    const limit = AbortSignal.any([AbortSignal.timeout(greetingLimitMs), ...(signal ? [signal] : [])]);
    const socket = connect(socketPath);
    try {
      await once(socket, "connect", { signal: limit });
      return await Launcher.#greeted(socket, log, limit);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Connects, and starts a launcher first when none answers. It outlives the daemon. */
  static async ensure(options: EnsureOptions): Promise<Launcher> {
    try {
      return await Launcher.connect(options.socketPath, options);
    } catch (error) {
      if (!isNobodyThere(error)) throw error;
    }
    await startLauncher(options);
    return Launcher.connect(options.socketPath, options);
  }

  static #greeted(socket: Socket, log: (message: string) => void, limit: AbortSignal): Promise<Launcher> {
    const decoder = new FrameDecoder(frameLimit);
    const { promise, resolve, reject } = Promise.withResolvers<Launcher>();
    let launcher: Launcher | undefined;
    const ended = (error: unknown) => {
      reject(error);
      socket.destroy();
      if (launcher !== undefined) launcher.#end();
    };
    const abort = () => ended(limit.reason);
    limit.addEventListener("abort", abort, { once: true });
    promise.finally(() => limit.removeEventListener("abort", abort)).catch(() => undefined);
    const take = (chunk: Buffer) => {
      for (const frame of decoder.decode(chunk)) {
        const answer = decodeAnswer(frame);
        if (launcher !== undefined) launcher.#take(answer);
        else {
          launcher = new Launcher(socket, checkedGreeting(answer), log);
          socket.write(attachFrame());
          resolve(launcher);
        }
      }
    };
    socket.on("data", (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        log(`the connection to the launcher was given up: ${error}`);
        ended(error);
      }
    });
    socket.on("error", ended);
    socket.on("close", () => ended(launcherLost()));
    return promise;
  }

  /** Processes that are watched: at first those that ran when the connection was made, and those that have ended since and were not forgotten. */
  get watched(): readonly WatchedProcess[] {
    return [...this.#watched.values()];
  }

  /**
   * Runs a host program to its end. An exit code other than 0 is returned.
   * @throws LauncherError when it cannot be executed; AtollError `timeout`; the signal's reason
   */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    using deadline = deadlineOf(argv, options);
    const limit = deadline.signal;
    limit?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    let id: ProcessId | undefined;
    const request = this.#request(
      (number) => spawnFrame(number, spawnOf(argv, options, false)),
      (answer) => {
        if (answer.type === "finished") resolve(resultOf(answer));
        if (answer.type !== "spawned") return true;
        if (answer.errno !== 0) reject(new LauncherError(`run ${argv[0]}`, answer.errno, answer.step));
        id = answer;
        if (limit?.aborted) this.#killAbandoned(answer);
        return answer.errno !== 0;
      },
      reject,
    );
    const abort = () => {
      if (id !== undefined && this.#pending.has(request)) this.#killAbandoned(id);
      reject(limit?.reason);
    };
    limit?.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      limit?.removeEventListener("abort", abort);
    }
  }

  /** Starts a host program with its stdio on /dev/null. @throws LauncherError when it cannot be executed */
  async spawnWatched(argv: readonly string[], options: SpawnOptions = {}): Promise<WatchedProcess> {
    const frame = (number: number) => spawnFrame(number, spawnOf(argv, options, true));
    const started = async (): Promise<WatchedProcess> => {
      const answer = await this.#ask(frame, "spawned");
      if (answer.errno !== 0) throw new LauncherError(`run ${argv[0]}`, answer.errno, answer.step);
      return this.#track(answer);
    };
    return abortable(started, options.signal, (process) => {
      this.#killAbandoned(process);
      process.forget();
    });
  }

  /**
   * Has the end of a descendant of the launcher reported. One that has ended already is found too, unless thousands did since.
   * @throws LauncherError ESRCH when it is no descendant
   */
  async watch(pid: number, signal?: AbortSignal): Promise<WatchedProcess> {
    const watched = async (): Promise<WatchedProcess> => {
      const answer = await this.#ask(
        (number) => watchFrame(number, pid),
        "watched",
        (found) => {
          if (found.errno === 0) this.#track({ pid, startTime: found.startTime });
        },
      );
      if (answer.errno !== 0) throw new LauncherError(`watch process ${pid}`, answer.errno, "watch");
      return this.#track({ pid, startTime: answer.startTime });
    };
    return abortable(watched, signal);
  }

  /**
   * Builds a root and puts it under a holder. After a failure the holder is of no further use.
   * @throws LauncherError with the step that failed
   */
  async claim(claim: Claim, signal?: AbortSignal): Promise<void> {
    const claimed = async (): Promise<void> => {
      const answer = await this.#ask((number) => claimFrame(number, claim), "done");
      if (answer.errno !== 0) throw new LauncherError("build the root file system", answer.errno, answer.step);
    };
    return abortable(claimed, signal);
  }

  /** Ends the connection. The launcher and everything below it run on. */
  close(): void {
    this.#isClosed = true;
    this.#socket.end();
    this.#socket.destroy();
    this.#end();
  }

  async #kill(id: ProcessId, signal: number, abort?: AbortSignal): Promise<void> {
    const killed = async (): Promise<void> => {
      const answer = await this.#ask((number) => killFrame(number, id, signal), "done");
      if (answer.errno !== 0) throw new LauncherError(`signal process ${id.pid}`, answer.errno, answer.step);
    };
    return abortable(killed, abort);
  }

  /** Nobody waits for it any more: when it has ended by itself meanwhile, all is well. */
  #killAbandoned(id: ProcessId): void {
    this.#kill(id, constants.signals.SIGKILL).catch((error: unknown) => {
      const isGone = error instanceof LauncherError && error.errno === "ESRCH";
      if (!isGone && !this.#hasEnded) this.#log(`process ${id.pid} was not killed: ${error}`);
    });
  }

  #forget(id: ProcessId): void {
    this.#watched.delete(keyOf(id));
    if (!this.#hasEnded) this.#socket.write(forgetFrame(id));
  }

  #track(id: ProcessId): WatchedProcess {
    const known = this.#watched.get(keyOf(id));
    if (known !== undefined) return known;
    const watched = new WatchedProcess(id, {
      kill: (process, signal, abort) => this.#kill(process, signal, abort),
      forget: (process) => this.#forget(process),
    });
    this.#watched.set(keyOf(id), watched);
    return watched;
  }

  /** Sends a request with one answer. `first` sees the answer before any later frame is looked at. */
  #ask<T extends Answer["type"]>(
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
    this.#request(frame, answered, reject);
    return promise;
  }

  /** @param answered tells whether that answer was the last */
  #request(
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
    this.#pending.set(request, {
      answered: (answer) => {
        if (answered(answer)) this.#pending.delete(request);
      },
      failed,
    });
    this.#socket.write(bytes);
    return request;
  }

  #nextRequest(): number {
    do this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    while (this.#pending.has(this.#lastRequest));
    return this.#lastRequest;
  }

  #take(answer: Answer): void {
    if (answer.type === "greeting") return;
    if (answer.type === "gone") this.#track(answer).ended({ status: answer.status });
    else this.#pending.get(answer.request)?.answered(answer);
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const error = launcherLost();
    for (const { failed } of this.#pending.values()) failed(error);
    this.#pending.clear();
    if (!this.#isClosed) for (const process of this.#watched.values()) process.lost(error);
    this.#lost.resolve();
  }
}

function checkedGreeting(answer: Answer): Answer & { type: "greeting" } {
  if (answer.type !== "greeting") throw new Error(`cannot greet a launcher that begins with ${answer.type}`);
  if (answer.version === protocolVersion) return answer;
  throw new AtollError(
    "unavailable",
    `cannot use a launcher of protocol version ${answer.version}; this server speaks ${protocolVersion}`,
    "Run `atoll stop` with the version that started it, and start the server again.",
  );
}

function isNobodyThere(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ECONNREFUSED");
}

function keyOf({ pid, startTime }: ProcessId): string {
  return `${pid}@${startTime}`;
}

function spawnOf(argv: readonly string[], options: RunOptions, isWatched: boolean): Spawn {
  return {
    argv,
    isWatched,
    env: options.env ?? { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
    cwd: options.cwd ?? "",
    cgroups: options.cgroups ?? [],
    stdin: options.stdin ?? "",
    inHostNetwork: options.inHostNetwork ?? false,
    hideProcSysNet: options.hideProcSysNet ?? false,
  };
}

function resultOf({ status, stdout, stderr }: Answer & { type: "finished" }): RunResult {
  return { status, exitCode: exitOf(status).exitCode, stdout, stderr };
}

/** The caller's signal and the time limit as one. A timer of its own, so that a run that has ended leaves none behind. */
function deadlineOf(
  argv: readonly string[],
  { signal, timeoutMs }: RunOptions,
): { readonly signal: AbortSignal | undefined } & Disposable {
  if (timeoutMs === undefined) return { signal, [Symbol.dispose]: () => undefined };
  const limit = new AbortController();
  const expired = () =>
    limit.abort(new AtollError("timeout", `cannot wait longer than ${timeoutMs} ms for ${argv[0]}`));
  const timer = setTimeout(expired, timeoutMs);
  return {
    signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

/** Stops waiting when the signal says so; what arrives afterwards is handed to `abandoned`. */
async function abortable<T>(
  start: () => Promise<T>,
  signal: AbortSignal | undefined,
  abandoned?: (value: T) => void,
): Promise<T> {
  signal?.throwIfAborted();
  const started = start();
  if (signal === undefined) return started;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    started.then(abandoned, () => undefined);
    reject(signal.reason);
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([started, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The daemon's side of the launcher: every program that the daemon has run, and every root it builds, goes through here. */
import { constants } from "node:os";
import { AtollError } from "../error.ts";
import { abortable } from "./abortable.ts";
import { Connection, type Gone } from "./connection.ts";
import {
  type Answer,
  type Claim,
  claimFrame,
  forgetFrame,
  killFrame,
  type LauncherMount,
  type LauncherUnmount,
  mountFrame,
  type ProcessId,
  type Spawn,
  spawnFrame,
  unmountFrame,
  watchFrame,
} from "./frames.ts";
import { LauncherError } from "./launcher-error.ts";
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
  /** Called once the program runs. */
  readonly onStart?: ((pid: number) => void) | undefined;
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

export class Launcher {
  readonly pid: number;
  /** Settles when the connection has ended for any reason; everything that waits has ended then too. */
  readonly lost: Promise<void>;
  readonly #connection: Connection;
  readonly #log: (message: string) => void;
  readonly #watched = new Map<string, WatchedProcess>();
  readonly #inherited = new Set<WatchedProcess>();
  #isClosed = false;

  private constructor(connection: Connection, log: (message: string) => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#connection = connection;
    this.#log = log;
    this.pid = connection.greeting.pid;
    this.lost = promise;
    for (const id of connection.greeting.watched) this.#inherit(id);
    connection.listen({
      gone: (end) => this.#gone(end),
      ended: (error) => {
        if (!this.#isClosed) for (const process of this.#watched.values()) process.lost(error);
        resolve();
      },
    });
  }

  /**
   * Takes the launcher over from any other daemon.
   * @throws the socket's error (ENOENT, ECONNREFUSED) when none runs; AtollError when it is of another version
   */
  static async connect(socketPath: string, { log = () => undefined, signal }: ConnectOptions = {}): Promise<Launcher> {
    return new Launcher(await Connection.open(socketPath, log, signal), log);
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

  /** Processes that are watched: those that ran when the connection was made, and since; also ended ones that were not forgotten. */
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
    let started: ProcessId | undefined;
    const answered = (answer: Answer) => {
      if (answer.type === "finished") resolve(resultOf(answer));
      if (answer.type !== "spawned") return true;
      if (answer.errno !== 0) reject(new LauncherError(`run ${argv[0]}`, answer.errno, answer.step));
      else if (limit?.aborted) this.#killAbandoned(answer);
      else options.onStart?.(answer.pid);
      started = answer;
      return answer.errno !== 0;
    };
    const frame = (number: number) => spawnFrame(number, spawnOf(argv, options, false));
    const request = this.#connection.request(frame, answered, reject);
    const abort = () => {
      if (started !== undefined && this.#connection.awaits(request)) this.#killAbandoned(started);
      reject(limit?.reason);
    };
    limit?.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      limit?.removeEventListener("abort", abort);
    }
  }

  /** Starts a host program whose stdin is empty, and whose output fails (EPERM). @throws LauncherError when it cannot be executed */
  async spawnWatched(argv: readonly string[], options: SpawnOptions = {}): Promise<WatchedProcess> {
    const frame = (number: number) => spawnFrame(number, spawnOf(argv, options, true));
    const started = async (): Promise<WatchedProcess> => {
      const answer = await this.#connection.ask(frame, "spawned", (spawned) => {
        if (spawned.errno === 0) this.#track(spawned);
      });
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
    const frame = (number: number) => watchFrame(number, pid);
    const watched = async (): Promise<WatchedProcess> => {
      const answer = await this.#connection.ask(frame, "watched", ({ errno, startTime }) => {
        if (errno === 0) this.#track({ pid, startTime });
      });
      if (answer.errno !== 0) throw new LauncherError(`watch process ${pid}`, answer.errno, "watch");
      return this.#track({ pid, startTime: answer.startTime });
    };
    return abortable(watched, signal, (process) => process.forget());
  }

  /** What an earlier daemon watched and nobody has asked for since is forgotten, when it has ended. */
  forgetInherited(): void {
    for (const process of this.#inherited)
      process.gone.then(
        () => process.forget(),
        () => undefined, // the launcher is lost, and with it all that it remembers
      );
    this.#inherited.clear();
  }

  /**
   * Builds a root and puts it under a holder. After a failure the holder is of no further use.
   * @throws LauncherError with the step that failed
   */
  async claim(claim: Claim, signal?: AbortSignal): Promise<void> {
    return abortable(() => this.#do((number) => claimFrame(number, claim), "build the root file system"), signal);
  }

  /**
   * Mounts into the root of a sandbox that runs.
   * @returns the kernel's number of the mount
   * @throws LauncherError with the step that failed
   */
  async mount(mount: LauncherMount, signal?: AbortSignal): Promise<number> {
    const mounted = async () => {
      const answer = await this.#connection.ask((request) => mountFrame(request, mount), "mounted");
      if (answer.errno !== 0) throw new LauncherError(`mount ${mount.path}`, answer.errno, answer.step);
      return answer.number;
    };
    return abortable(mounted, signal, (number) => this.#unmountAbandoned({ ...mount, number, isLazy: true }));
  }

  /** @throws LauncherError EBUSY when something uses it, ESTALE when something else is there */
  async unmount(unmount: LauncherUnmount, signal?: AbortSignal): Promise<void> {
    return abortable(() => this.#do((request) => unmountFrame(request, unmount), `unmount ${unmount.path}`), signal);
  }

  /** Signals a watched process. @throws LauncherError ESRCH when it is not watched, has ended, or another has that pid */
  async kill(id: ProcessId, number: number, signal?: AbortSignal): Promise<void> {
    return abortable(() => this.#do((request) => killFrame(request, id, number), `signal process ${id.pid}`), signal);
  }

  /** The end was recorded, or is of no interest any more. */
  forget(id: ProcessId): void {
    this.#watched.delete(keyOf(id));
    this.#connection.send(forgetFrame(id));
  }

  /** Ends the connection. The launcher and everything below it run on. */
  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  async #do(frame: (request: number) => Buffer, what: string): Promise<void> {
    const { errno, step } = await this.#connection.ask(frame, "done");
    if (errno !== 0) throw new LauncherError(what, errno, step);
  }

  /** Nobody waits for it any more: when it has ended by itself meanwhile, all is well. */
  #killAbandoned(id: ProcessId): void {
    this.kill(id, constants.signals.SIGKILL).catch((error: unknown) => {
      const isGone = error instanceof LauncherError && error.errno === "ESRCH";
      if (!isGone && !this.#connection.hasEnded) this.#log(`process ${id.pid} was not killed: ${error}`);
    });
  }

  /** Nobody waits for it any more, and nothing has used it. */
  #unmountAbandoned(unmount: LauncherUnmount): void {
    this.unmount(unmount).catch((error: unknown) => {
      if (!this.#connection.hasEnded) this.#log(`${unmount.path} was not unmounted: ${error}`);
    });
  }

  #gone(end: Gone): void {
    const process = this.#watched.get(keyOf(end)) ?? this.#inherit(end);
    process.ended({ status: end.status });
  }

  /** Of a process that this daemon has not asked for; an earlier one did. */
  #inherit(id: ProcessId): WatchedProcess {
    const process = this.#track(id);
    this.#inherited.add(process);
    return process;
  }

  #track({ pid, startTime }: ProcessId): WatchedProcess {
    const id = { pid, startTime };
    const watched = this.#watched.get(keyOf(id)) ?? new WatchedProcess(id, this);
    this.#watched.set(keyOf(id), watched);
    this.#inherited.delete(watched);
    return watched;
  }
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

function resultOf({ status, stdout, stderr }: Extract<Answer, { type: "finished" }>): RunResult {
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

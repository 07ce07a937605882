import type { Process as ProcessView, Pty, Result } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import type { InitHandler, InitLink } from "../init/link.ts";
import type { ProcessRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { FinishedProcesses } from "./finished-processes.ts";
import { Operations } from "./operations.ts";
import { OutputBudget } from "./output-budget.ts";
import { OutputLog } from "./output-log.ts";
import { OutputTimes, timesPath } from "./output-times.ts";
import { mainNumber, outputPath, Process, processView, type StreamName, streamNumbers } from "./process.ts";
import { QuietProcesses } from "./quiet-processes.ts";
import { Reading } from "./reading.ts";
import { lost, terminated } from "./result.ts";
import { checkSize, type StartSpec, startOf } from "./start-spec.ts";
import { Stdin } from "./stdin.ts";

export const mainId = "main";
const mostUnfinished = 512;

export interface ProcessesOptions {
  readonly sandboxId: string;
  readonly store: Store;
  /** Holds the output of this sandbox. */
  readonly outputDirectory: string;
  readonly outputLimitBytes: number;
  readonly sandboxOutputLimitBytes: number;
  readonly explain: (result: Result) => Promise<Result>;
  /** A process was started, exited, or got stdin. */
  readonly onActivity: () => void;
  readonly onConnection: (isConnected: boolean) => void;
  /** init broke the protocol. */
  readonly onViolation: (error: Error) => void;
  readonly onWriteError: (error: unknown) => void;
}

/** The processes of one sandbox: what init says of them, and what the store keeps. */
export class Processes implements InitHandler {
  readonly #options: ProcessesOptions;
  readonly #live = new Map<number, Process>();
  /** Those that init was told to start, by this daemon or an earlier one. */
  readonly #told = new Set<number>();
  readonly #followed = new Set<Promise<void>>();
  readonly #finished: FinishedProcesses;
  readonly #budget: OutputBudget;
  readonly #reading: Reading;
  readonly #suspended = new AbortController();
  readonly quiet: QuietProcesses;
  readonly operations: Operations;
  #link: InitLink | undefined;
  #mainRow: ProcessRow | undefined;
  #next = mainNumber;

  constructor(options: ProcessesOptions) {
    this.#options = options;
    this.#finished = new FinishedProcesses(options);
    this.#budget = new OutputBudget(options.sandboxOutputLimitBytes);
    const logs = () => this.#live.values().flatMap(({ stdout, stderr }) => [stdout, stderr]);
    this.#reading = new Reading(logs, () => this.#link);
    this.quiet = new QuietProcesses(() => this.#link);
    this.operations = new Operations(() => this.#link, options.onActivity);
  }

  attach(link: InitLink): void {
    this.#link = link;
  }

  /** Takes up the processes of an earlier daemon. */
  adopt(lengthOf: (row: ProcessRow, stream: StreamName) => number): void {
    for (const row of this.#options.store.processes.of(this.#options.sandboxId)) {
      this.#next = Math.max(this.#next, row.number + 1);
      if (row.number === mainNumber) this.#mainRow = row;
      if (row.output) this.#finished.add(row);
      else this.#take(row, lengthOf, false);
      if (!row.output && row.argv.length > 0) this.#told.add(row.number);
    }
  }

  /** The sandbox's own command, not yet told to init: the caller stores its row together with the sandbox's. */
  addMain(argv: readonly string[], pty: Pty | undefined): ProcessRow {
    this.#mainRow = this.#add(mainId, argv, pty, true, undefined);
    return this.#mainRow;
  }

  startMain(spec: StartSpec): void {
    this.#sendStart(mainNumber, spec);
  }

  /** For a sandbox without a command, whose `main` runs as long as it does and says nothing. */
  beginMain(): void {
    this.main?.started();
  }

  /** The sandbox's own command while init has it. */
  get main(): Process | undefined {
    return this.#live.get(mainNumber);
  }

  /** Whether the sandbox's own command has ended and its result will be known in a moment. */
  get isMainExiting(): boolean {
    return this.main?.isExiting === true;
  }

  /** What is stored of it, for as long as the sandbox lives. */
  get mainRow(): ProcessRow | undefined {
    return this.#mainRow;
  }

  /**
   * Starts a process; `started` or `finished` of it tell how that went.
   * @param remember stores what else belongs to the request, in the same transaction as the process
   * @param id one that no process of this sandbox has had
   * @throws AtollError capacity when too many are running
   */
  start(spec: StartSpec, remember: (id: string) => void, id: string = newId("ex")): Process {
    checkSize(spec);
    if (this.unfinishedCount >= mostUnfinished) {
      throw new AtollError("capacity", `cannot start more than ${mostUnfinished} processes at once in one sandbox`);
    }
    const row = this.#add(id, spec.argv, spec.pty, spec.keepsStdin, spec.timeoutMs);
    const { store } = this.#options;
    store.transaction(() => {
      store.processes.insert(row);
      remember(row.id);
    });
    this.#sendStart(row.number, spec);
    this.#options.onActivity();
    return this.#live.get(row.number) as Process;
  }

  get unfinishedCount(): number {
    return [...this.#live.values()].filter((process) => !process.isFinished).length;
  }

  /** Whether a process that exec started, or an operation on files, is running. */
  get hasRunningExec(): boolean {
    if (this.operations.areRunning) return true;
    return this.#live.values().some((process) => !process.isFinished && process.row.number !== mainNumber);
  }

  /** The process while init has it, else undefined. */
  find(id: string): Process | undefined {
    return this.#live.values().find((process) => process.row.id === id);
  }

  list(): ProcessView[] {
    const rows = this.#options.store.processes.of(this.#options.sandboxId);
    return rows.map((row) => this.#live.get(row.number)?.view() ?? settledView(row));
  }

  signal(process: Process, signo: number): void {
    this.#link?.signal(process.row.number, signo);
  }

  resize(process: Process, rows: number, cols: number): void {
    this.#link?.resize(process.row.number, rows, cols);
  }

  /** Enforces time limits of processes; answers when to look again. */
  enforceDeadlines(now: number): number {
    return Math.min(...this.#live.values().map((process) => process.enforceDeadline(now)), Number.POSITIVE_INFINITY);
  }

  /** Kills everything in the sandbox; `cause` is what the main process ended of. */
  killAll(cause: Result): void {
    for (const process of this.#live.values()) process.doom(this.#causeFor(process, cause));
    if (this.#link?.isConnected) this.#link.killAll(9);
  }

  /** Those that init has, and of which more may come. */
  unsettled(): Process[] {
    return [...this.#live.values()].filter((process) => !process.isSettled && this.#told.has(process.row.number));
  }

  /** Ends what init did not end: nothing more will be heard of it. */
  async close(cause: Result): Promise<void> {
    this.operations.close(new AtollError("sandbox_finished", "cannot finish the operation: the sandbox has ended"));
    const live = [...this.#live.values()];
    await Promise.all(live.map((process) => process.close(this.#causeFor(process, cause))));
    await Promise.all(this.#followed);
  }

  /** Stops without an end, for a daemon that stops. */
  async suspend(): Promise<void> {
    this.#suspended.abort();
    this.operations.close(new AtollError("unavailable", "cannot finish the operation: the server is stopping"));
    const logs = [...this.#live.values()].flatMap((process) => [process.stdout, process.stderr]);
    await Promise.all(logs.map((log) => log.suspend()));
  }

  // What init says.

  *resume() {
    for (const number of this.#told) {
      const process = this.#live.get(number);
      if (process) yield { process: number, stdout: process.stdout.resume(), stderr: process.stderr.resume() };
    }
    yield* this.operations.resume();
  }

  connected(): void {
    this.quiet.lose();
    this.#options.onConnection(true);
  }

  disconnected(): void {
    this.#options.onConnection(false);
  }

  started(number: number): void {
    this.#live.get(number)?.started();
  }

  startFailed(number: number, errno: number, step: string): void {
    this.operations.find(number)?.notStarted(errno, step);
    if (this.quiet.exited(number, undefined)) return;
    this.#live.get(number)?.startFailed(errno, step);
  }

  output(number: number, stream: 1 | 2, offset: number, bytes: Buffer): void {
    this.operations.find(number)?.output(stream, offset, bytes);
    if (this.quiet.output(number, stream, offset + bytes.length)) return;
    const process = this.#live.get(number);
    if (process) this.#guard(() => logOf(process, stream).append(offset, bytes));
    this.#reading.arrived();
  }

  eof(number: number, stream: 1 | 2, offset: number): void {
    this.operations.find(number)?.eof(stream);
    const process = this.#live.get(number);
    if (process) this.#guard(() => logOf(process, stream).end(offset));
  }

  exited(number: number, status: number): void {
    this.operations.find(number)?.exited(status);
    if (this.quiet.exited(number, status)) return;
    this.#live.get(number)?.exited(status);
  }

  stdinAck(number: number, offset: number, isClosed: boolean): void {
    const process = this.operations.find(number) ?? this.#live.get(number);
    if (process) this.#guard(() => process.stdin.acknowledge(offset, isClosed));
  }

  unknown(number: number): void {
    this.operations.find(number)?.lose(new AtollError("unavailable", "cannot finish the operation: init lost it"));
    this.#live.get(number)?.close(lost("the process is not known inside the sandbox; it may never have been started"));
  }

  violated(error: Error): void {
    this.#options.onViolation(error);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.onViolation(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #add(id: string, argv: readonly string[], pty: Pty | undefined, keepsStdin: boolean, timeoutMs: number | undefined) {
    const now = Date.now();
    const row: ProcessRow = {
      sandboxId: this.#options.sandboxId,
      number: this.#next,
      id,
      argv,
      pty,
      keepsStdin,
      createdAt: now,
      deadlineAt: timeoutMs === undefined ? undefined : now + timeoutMs,
    };
    this.#next += 1;
    this.#take(row, () => 0, true);
    return row;
  }

  #take(row: ProcessRow, lengthOf: (row: ProcessRow, stream: StreamName) => number, isNew: boolean): void {
    const process = new Process(row, {
      stdout: this.#log(row, "stdout", lengthOf(row, "stdout")),
      stderr: this.#log(row, "stderr", lengthOf(row, "stderr")),
      stdin: this.#stdin(row.number, isNew),
      isNew,
      kill: (signo) => this.#link?.signal(row.number, signo),
      explain: this.#options.explain,
    });
    this.#live.set(row.number, process);
    const followed = this.#follow(process).finally(() => this.#followed.delete(followed));
    this.#followed.add(followed);
  }

  /** Stores how the process ends, and lets init forget it once nothing more can come. */
  async #follow(process: Process): Promise<void> {
    const { row } = process;
    const { signal } = this.#suspended;
    const isOver = await process.changed
      .until(() => process.isFinished, signal)
      .then(() => this.#outputOver(process, signal))
      .then(
        () => true,
        () => false,
      );
    if (!isOver) return;
    row.output = { stdoutBytes: process.stdout.length, stderrBytes: process.stderr.length };
    this.#options.store.processes.update(row);
    if (this.#told.delete(row.number)) this.#link?.release(row.number);
    this.#live.delete(row.number);
    this.#finished.add(row);
  }

  async #outputOver(process: Process, signal: AbortSignal): Promise<void> {
    this.#options.onActivity();
    if (process.isSettled) return;
    this.#options.store.processes.update(process.row);
    for (const log of [process.stdout, process.stderr]) await log.changed.until(() => log.isComplete, signal);
  }

  #log(row: ProcessRow, stream: StreamName, keptBytes: number): OutputLog {
    const path = outputPath(this.#options.outputDirectory, row.number, stream);
    const log = new OutputLog(path, {
      keptBytes,
      times: new OutputTimes(timesPath(path), row.createdAt),
      limitBytes: this.#options.outputLimitBytes,
      budget: this.#budget,
      onKept: (offset) => {
        this.#link?.ack(row.number, streamNumbers[stream], offset);
        this.#reading.written();
      },
      onWriteError: this.#options.onWriteError,
    });
    if (row.pty && stream === "stderr") log.end(keptBytes);
    return log;
  }

  #stdin(number: number, isNew: boolean): Stdin {
    const sink = {
      write: (offset: number, bytes: Buffer) => {
        this.#options.onActivity();
        this.#link?.writeStdin(number, offset, bytes);
      },
      close: (offset: number) => this.#link?.closeStdin(number, offset),
    };
    return new Stdin(sink, isNew);
  }

  #sendStart(number: number, spec: StartSpec): void {
    this.#told.add(number);
    this.#link?.start(startOf(number, spec));
  }

  #causeFor(process: Process, cause: Result): Result {
    return process.row.number === mainNumber ? cause : terminated("the sandbox ended");
  }
}

/** Of a process that is only known from the store. */
export function settledView(row: ProcessRow): ProcessView {
  return processView(row, row.output ?? { stdoutBytes: 0, stderrBytes: 0 }, false);
}

function logOf(process: Process, stream: 1 | 2): OutputLog {
  return stream === 1 ? process.stdout : process.stderr;
}

import { join } from "node:path";
import type { Process as ProcessView, Result } from "@atoll/protocol";
import { Change, within } from "../change.ts";
import type { ProcessRow } from "../store/rows.ts";
import type { OutputLog } from "./output-log.ts";
import { resultOfStartFailure, resultOfStatus, timedOut } from "./result.ts";
import type { Stdin } from "./stdin.ts";

/** How long after the exit the ends of the output are awaited before the process counts as finished; others may hold its pipes. */
const outputGraceMs = 250;

const killAgainMs = 1000;

export const streamNumbers = { stdout: 1, stderr: 2 } as const;
export type StreamName = keyof typeof streamNumbers;

/** Number of the sandbox's own command. */
export const mainNumber = 1;

/** @param directory holds the output of one sandbox */
export function outputPath(directory: string, number: number, stream: StreamName): string {
  return join(directory, `${number}.${stream}`);
}

export interface ProcessOptions {
  readonly stdout: OutputLog;
  readonly stderr: OutputLog;
  readonly stdin: Stdin;
  /** False for a process of an earlier daemon. */
  readonly isNew: boolean;
  /** Sends a signal to its group. */
  readonly kill: (signo: number) => void;
  /** Decides what an exit means, knowing more than the status: was memory short? */
  readonly explain: (result: Result) => Promise<Result>;
}

/** A process that init has, or may have. */
export class Process {
  readonly row: ProcessRow;
  readonly stdout: OutputLog;
  readonly stderr: OutputLog;
  readonly stdin: Stdin;
  readonly changed = new Change();
  readonly #isNew: boolean;
  readonly #kill: ProcessOptions["kill"];
  readonly #explain: ProcessOptions["explain"];
  /** Why it was killed, when the platform did it. */
  #cause: Result | undefined;
  #hasExited = false;
  #killAgainAt = 0;

  constructor(row: ProcessRow, options: ProcessOptions) {
    this.row = row;
    this.stdout = options.stdout;
    this.stderr = options.stderr;
    this.stdin = options.stdin;
    this.#isNew = options.isNew;
    this.#kill = options.kill;
    this.#explain = options.explain;
  }

  get isStarted(): boolean {
    return this.row.startedAt !== undefined;
  }

  get isFinished(): boolean {
    return this.row.result !== undefined;
  }

  /** Whether it has ended and its result is being found out. */
  get isExiting(): boolean {
    return this.#hasExited && !this.isFinished;
  }

  /** Whether nothing more can come of it, so that init may forget it. */
  get isSettled(): boolean {
    return this.isFinished && this.stdout.isComplete && this.stderr.isComplete;
  }

  output(stream: StreamName): OutputLog {
    return stream === "stdout" ? this.stdout : this.stderr;
  }

  /** init repeats this after a reconnection; an earlier daemon's process was started right after its row was made. */
  started(): void {
    this.row.startedAt ??= this.#isNew ? Date.now() : this.row.createdAt;
    this.changed.announce();
  }

  /** A process that was never started has no output. */
  async startFailed(errno: number, step: string): Promise<void> {
    await this.close(resultOfStartFailure(errno, step, this.row.argv[0] ?? ""));
  }

  /** init repeats this after a reconnection. */
  async exited(status: number): Promise<void> {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.stdin.close();
    this.started();
    const result = this.#cause ?? (await this.#explain(resultOfStatus(status)));
    await this.#outputGrace();
    this.finish(result);
  }

  /**
   * Kills the group when the time limit is over. Answers when to look again: a signal is lost with a connection that
   * breaks, so it is repeated until the exit is known.
   */
  enforceDeadline(now: number): number {
    const deadline = this.row.deadlineAt;
    if (deadline === undefined || this.isFinished || this.#hasExited) return Number.POSITIVE_INFINITY;
    if (deadline > now) return deadline;
    if (this.#killAgainAt > now) return this.#killAgainAt;
    this.#killAgainAt = now + killAgainMs;
    this.doom(timedOut("the process reached its time limit"));
    this.#kill(9);
    return this.#killAgainAt;
  }

  /** Says why it is about to be killed, unless that is known already. */
  doom(cause: Result): void {
    this.#cause ??= cause;
  }

  /** Ends it for good: nothing more will be heard of it. */
  async close(result: Result): Promise<void> {
    this.stdin.close();
    await Promise.all([this.stdout.finish(), this.stderr.finish()]);
    this.finish(this.#hasExited ? (this.row.result ?? result) : (this.#cause ?? result));
  }

  finish(result: Result): void {
    if (this.isFinished) return;
    this.row.result = result;
    this.row.finishedAt = Date.now();
    this.changed.announce();
  }

  view(): ProcessView {
    const lengths = { stdoutBytes: this.stdout.length, stderrBytes: this.stderr.length };
    return processView(this.row, lengths, this.stdout.isLimited || this.stderr.isLimited);
  }

  async #outputGrace(): Promise<void> {
    const ended = (log: OutputLog) => within(outputGraceMs, log.changed, () => log.isComplete);
    await Promise.all([ended(this.stdout), ended(this.stderr)]);
  }
}

type Lengths = NonNullable<ProcessRow["output"]>;

/** Pure: what a caller is shown of a process. */
export function processView(row: ProcessRow, lengths: Lengths, outputLimited: boolean): ProcessView {
  return {
    id: row.id,
    sandboxId: row.sandboxId,
    argv: [...row.argv],
    state: row.result !== undefined ? "finished" : row.startedAt !== undefined ? "running" : "starting",
    ...(row.result && { result: row.result }),
    ...(row.pty && { pty: row.pty }),
    ...(row.startedAt !== undefined && { startedAt: new Date(row.startedAt).toISOString() }),
    ...(row.finishedAt !== undefined && { finishedAt: new Date(row.finishedAt).toISOString() }),
    ...lengths,
    outputLimited,
  };
}

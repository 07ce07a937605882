/** How a sandbox or a process ended, and waiting for it. */
import { ExecTimeoutError, SandboxTerminatedError, SandboxTimeoutError, TimeoutError } from "./errors.ts";
import type { Result } from "./generated/api.ts";

export interface FinishedResult extends Result {
  /** The same as `exitCode`. */
  readonly returncode: number;
}

export interface WaitOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait in milliseconds, after which `TimeoutError` is thrown; what is waited for goes on. */
  readonly timeoutMs?: number | undefined;
  /** With false, the result of what was terminated is returned instead of thrown. True when absent. */
  readonly raiseOnTermination?: boolean | undefined;
}

/** The server answers a wait after this long at the latest, and the wait is asked again. */
const longestPollMs = 30_000;

/** Asks until the answer is final; each request waits at the server. */
export async function waitUntil<Answer>(
  ask: (timeoutMs: number) => Promise<Answer>,
  isFinal: (answer: Answer) => boolean,
  options: WaitOptions,
): Promise<Answer> {
  const deadline = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.timeoutMs;
  for (;;) {
    const leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
    const answer = await ask(Math.min(leftMs, longestPollMs));
    if (isFinal(answer)) return answer;
    if (performance.now() >= deadline) throw waitedTooLong(options.timeoutMs);
  }
}

function waitedTooLong(timeoutMs: number | undefined): TimeoutError {
  return new TimeoutError(`cannot wait longer than ${timeoutMs} ms`, {
    code: "timeout",
    hint: "It goes on; wait again, or raise timeoutMs of the wait.",
  });
}

/** The result of a sandbox as `wait` gives it. Throws for a time limit and for termination. */
export function sandboxResult(id: string, result: Result, options: WaitOptions): FinishedResult {
  if (result.kind === "timed_out") {
    throw new SandboxTimeoutError(`cannot finish: sandbox ${id} reached its time limit`, result);
  }
  return endedResult(id, result, options);
}

/** The result of a process as `wait` gives it. */
export function processResult(sandboxId: string, id: string, result: Result, options: WaitOptions): FinishedResult {
  if (result.kind === "timed_out") {
    throw new ExecTimeoutError(`cannot finish: process ${id} of sandbox ${sandboxId} reached its time limit`, result);
  }
  return endedResult(sandboxId, result, options);
}

function endedResult(id: string, result: Result, options: WaitOptions): FinishedResult {
  if (result.kind === "idle_timed_out") {
    throw new SandboxTimeoutError(`cannot finish: sandbox ${id} was idle for its idle time limit`, result);
  }
  if (result.kind === "terminated" && options.raiseOnTermination !== false) {
    throw new SandboxTerminatedError(`cannot finish: sandbox ${id} was terminated${because(result)}`, result);
  }
  return { ...result, returncode: result.exitCode };
}

function because({ message }: Result): string {
  return message ? ` (${message})` : "";
}

import { constants } from "node:os";
import type { Result } from "@atoll/protocol";

/** Of two names for one number (SIGABRT and SIGIOT) the first listed is the common one, so it is set last. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, value]) => [value, name]),
);

export const exitCodes = { timedOut: 124, cannotRun: 125, notExecutable: 126, notFound: 127, killed: 137 } as const;

export function signalName(signo: number): string {
  return signalNames.get(signo) ?? `SIGRTMIN+${signo - 34}`;
}

/** Undefined when there is no such signal. */
export function signalNumber(name: string): number | undefined {
  return Object.entries(constants.signals).find(([known]) => known === name)?.[1];
}

/** Reads a waitpid(2) status: signal in the low 7 bits, else the exit code in the next 8. */
export function resultOfStatus(status: number): Result {
  const signo = status & 0x7f;
  if (signo === 0) return { kind: "exited", exitCode: (status >> 8) & 0xff };
  return { kind: "signalled", exitCode: 128 + signo, signal: signalName(signo) };
}

export function isKilled(result: Result): boolean {
  return result.kind === "signalled" && result.signal === "SIGKILL";
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** What init says about a program it could not start, in the exit codes of a POSIX shell. */
export function resultOfStartFailure(errno: number, step: string, program: string): Result {
  const name = errnoNames.get(errno) ?? `errno ${errno}`;
  const message = `cannot start ${JSON.stringify(program)}: ${reasons[step] ?? step}: ${name}`;
  return { kind: "failed_to_start", exitCode: startFailureCode(errno, step), message };
}

const reasons: Readonly<Record<string, string>> = {
  user: "the user does not exist in the image",
  cwd: "the working directory cannot be entered",
  exec: "the program cannot be executed",
  pty: "no terminal could be made",
  fork: "no process could be made",
  limit: "the resource limits could not be set",
};

function startFailureCode(errno: number, step: string): number {
  if (step === "user" || step === "cwd") return exitCodes.notExecutable;
  if (step !== "exec") return exitCodes.cannotRun;
  const { ENOENT, ENOTDIR } = constants.errno;
  return errno === ENOENT || errno === ENOTDIR ? exitCodes.notFound : exitCodes.notExecutable;
}

export const terminated = (message?: string): Result => ({
  kind: "terminated",
  exitCode: exitCodes.killed,
  ...(message === undefined ? {} : { message }),
});
export const timedOut = (message: string): Result => ({ kind: "timed_out", exitCode: exitCodes.timedOut, message });
export const idleTimedOut = (message: string): Result => ({
  kind: "idle_timed_out",
  exitCode: exitCodes.timedOut,
  message,
});
export const outOfMemory = (message: string): Result => ({
  kind: "out_of_memory",
  exitCode: exitCodes.killed,
  signal: "SIGKILL",
  message,
});
export const lost = (message: string): Result => ({ kind: "lost", exitCode: exitCodes.killed, message });
export const failedToStart = (message: string): Result => ({
  kind: "failed_to_start",
  exitCode: exitCodes.cannotRun,
  message,
});

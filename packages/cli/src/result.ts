/** How something ended, as an exit code and as words. */
import { ExecTimeoutError, type Result, SandboxTimeoutError } from "@atoll/sdk";
import { plain, write } from "./print.ts";

const words: { readonly [kind in Result["kind"]]?: string } = {
  timed_out: "it reached its time limit",
  idle_timed_out: "it was idle for its idle time limit",
  terminated: "it was terminated",
  out_of_memory: "it ran out of memory",
  failed_to_start: "the command could not be started",
  lost: "it was lost",
};

/** In words, for what an exit code alone does not say; undefined when it does. */
export function endedBecause(result: Result): string | undefined {
  const reason = words[result.kind];
  return reason && (result.message ? `${reason}: ${plain(result.message)}` : reason);
}

/** Says why on stderr when the exit code alone does not, and returns the exit code. */
export async function reportEnd(what: string, result: Result): Promise<number> {
  const reason = endedBecause(result);
  if (reason) await write(process.stderr, `atoll: ${what} ended: ${reason}\n`);
  return result.exitCode;
}

/** The result of a wait, whether the SDK returns it or throws it as a time limit. */
export async function resultOf(wait: Promise<Result>): Promise<Result> {
  try {
    return await wait;
  } catch (error) {
    if (error instanceof SandboxTimeoutError || error instanceof ExecTimeoutError) return error.result;
    throw error;
  }
}

/** `exited with 3`, `ended by SIGKILL (137)`, `terminated (137)`. */
export function describeResult(result: Result): string {
  if (result.kind === "exited") return `exited with ${result.exitCode}`;
  if (result.kind === "signalled") return `ended by ${result.signal ?? "a signal"} (${result.exitCode})`;
  return `${result.kind.replaceAll("_", " ")} (${result.exitCode})`;
}

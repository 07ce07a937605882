/** One attached command from its start to its end: streams, Ctrl-C, and the terminal where one is wanted. */
import type { Process, Result } from "@atoll/sdk";
import { copyOutput, copyStdin, endStdin } from "./attach.ts";
import { Interrupted, onInterruption } from "./interrupt.ts";
import { attachTerminal, isInteractive } from "./terminal.ts";

export interface Session {
  readonly process: Process;
  /** Pass stdin on; else the command reads an empty one. */
  readonly stdin: boolean;
  readonly pty: boolean;
  /** How it ended, in the end. */
  result(signal: AbortSignal): Promise<Result>;
}

/**
 * Runs until the command has ended. The first Ctrl-C is passed on to the command; a second one, or a request to end,
 * throws `Interrupted`: the caller ends what it has begun.
 */
export async function runSession(session: Session): Promise<Result> {
  if (session.pty && session.stdin && isInteractive()) return attachTerminal(session.process);
  const controller = new AbortController();
  let hasPassedOn = false;
  const stop = onInterruption((name) => {
    if (name !== "SIGINT" || hasPassedOn) return controller.abort(new Interrupted(name));
    hasPassedOn = true;
    session.process.kill("SIGINT", { signal: controller.signal }).catch((error) => controller.abort(error));
  });
  try {
    return await streamUntilEnd(session, controller);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    stop();
    // Ends the passing on of stdin, which may never end by itself.
    controller.abort();
  }
}

async function streamUntilEnd(session: Session, controller: AbortController): Promise<Result> {
  const { signal } = controller;
  const input = session.stdin ? copyStdin(session.process, signal) : endStdin(session.process, signal);
  // Output and result decide when it is over; a failing stdin ends both.
  input.catch((error) => controller.abort(error));
  const [result] = await Promise.all([session.result(signal), copyOutput(session.process, signal)]);
  return result;
}

/** A command in a sandbox that runs already, joined to this process. */
import { type ExecOptions, type Process, Sandbox } from "@atoll/sdk";
import { connect } from "./connect.ts";
import { findSandboxId } from "./find-sandbox.ts";
import { Interrupted, untilInterrupted } from "./interrupt.ts";
import { reportEnd, resultOf } from "./result.ts";
import { runSession } from "./session.ts";

export function startProcess(given: string, command: readonly string[], options: ExecOptions): Promise<Process> {
  return untilInterrupted(async (signal) => {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    return sandbox.exec(command, { ...options, signal });
  });
}

export interface Join {
  readonly stdin: boolean;
  readonly pty: boolean;
}

/** Joins the process to this one until it ends; a second Ctrl-C kills it. @returns the exit code */
export async function joinProcess(process_: Process, { stdin, pty }: Join): Promise<number> {
  try {
    const result = await runSession({
      process: process_,
      stdin,
      pty,
      result: (signal) => resultOf(process_.wait({ signal, raiseOnTermination: false })),
    });
    return await reportEnd(`process ${process_.id}`, result);
  } catch (error) {
    if (error instanceof Interrupted) await process_.kill();
    throw error;
  }
}

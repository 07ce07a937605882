/** Joins this process's stdin, stdout and stderr to those of a process in a sandbox. */
import { AtollError, type OutputReader, type Process } from "@atoll/sdk";
import { write } from "./print.ts";

/** @param offset first byte of stdout and stderr wanted */
export async function copyOutput(process_: Process, signal: AbortSignal): Promise<void> {
  await Promise.all([
    copyStream(process_.stdout, process.stdout, signal),
    copyStream(process_.stderr, process.stderr, signal),
  ]);
}

export async function copyStream(from: OutputReader, to: NodeJS.WriteStream, signal: AbortSignal): Promise<void> {
  for await (const chunk of from.toReadableStream({ signal })) await write(to, chunk);
}

/** Whether stdin is passed on: always from a pipe or file, from a terminal only when told to. */
export function passesStdin(values: { readonly interactive: boolean; readonly "no-stdin": boolean }): boolean {
  return !values["no-stdin"] && (values.interactive || !process.stdin.isTTY);
}

/** Passes stdin on to its end. A process that no longer reads is not an error: what it wanted, it has read. */
export async function copyStdin(process_: Process, signal: AbortSignal): Promise<void> {
  try {
    for await (const chunk of process.stdin.iterator({ destroyOnReturn: false })) {
      process_.stdin.write(chunk as Uint8Array);
      await process_.stdin.drain({ signal });
    }
    await endStdin(process_, signal);
  } catch (error) {
    if (!signal.aborted && !isClosedStdin(error)) throw error;
  }
}

/** Lets the process read the end of its stdin at once. */
export async function endStdin(process_: Process, signal: AbortSignal): Promise<void> {
  process_.stdin.writeEof();
  await process_.stdin.drain({ signal }).catch((error) => {
    if (!signal.aborted && !isClosedStdin(error)) throw error;
  });
}

function isClosedStdin(error: unknown): boolean {
  return error instanceof AtollError && ["process_finished", "sandbox_finished"].includes(error.code);
}

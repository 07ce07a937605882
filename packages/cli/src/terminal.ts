/** This terminal joined to one inside a sandbox: raw bytes both ways, its size followed, and always given back as it was. */
import type { Process, Result, Terminal } from "@atoll/sdk";
import { ownPty } from "./create-options.ts";
import { Interrupted, onInterruption } from "./interrupt.ts";
import { write } from "./print.ts";

/** Whether there is a person's terminal at both ends of this process. */
export function isInteractive(): boolean {
  return Boolean(process.stdin.isTTY && process.stdout.isTTY);
}

export async function attachTerminal(process_: Process): Promise<Result> {
  const controller = new AbortController();
  // Ctrl-C is a byte now; these come from elsewhere, as when the terminal's window is closed.
  const stopSignals = onInterruption((name) => controller.abort(new Interrupted(name)));
  const terminal = await process_.terminal({ signal: controller.signal });
  const restore = takeTerminal(terminal, (error) => controller.abort(error));
  try {
    for await (const chunk of terminal.output) await write(process.stdout, chunk);
    return await terminal.result;
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    restore();
    stopSignals();
    terminal.close();
  }
}

/** Raw mode, keys to the terminal, its size. The result undoes all of it; so does the end of this process. */
function takeTerminal(terminal: Terminal, fail: (error: unknown) => void): () => void {
  const { stdin, stdout } = process;
  const onKeys = (keys: Uint8Array) => {
    try {
      terminal.write(keys);
    } catch (error) {
      fail(error);
    }
  };
  const onResize = () => {
    const { rows, cols } = ownPty();
    terminal.resize(rows, cols);
  };
  const restore = () => {
    stdin.off("data", onKeys);
    stdout.off("resize", onResize);
    process.off("exit", restore);
    stdin.setRawMode(false);
    stdin.pause();
  };
  process.on("exit", restore);
  stdin.setRawMode(true);
  stdin.on("data", onKeys);
  stdout.on("resize", onResize);
  stdin.resume();
  // The size may have changed since the process was started with it.
  onResize();
  return restore;
}

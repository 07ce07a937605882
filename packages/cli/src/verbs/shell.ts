import { createOptions, ownPty, processOptions } from "../create-options.ts";
import { UsageError } from "../errors.ts";
import { joinProcess, startProcess } from "../in-process.ts";
import { inNewSandbox } from "../new-sandbox.ts";
import { sandboxOptions } from "../options.ts";
import { isInteractive } from "../terminal.ts";
import { defineVerb } from "../verb.ts";

/** Not every image has bash. */
const loginShell = ["/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l"];

export const shell = defineVerb({
  usage: "[SANDBOX] [--] [COMMAND [ARGUMENT...]]",
  description:
    "Opens an interactive terminal: every key goes to the sandbox, Ctrl-C and Ctrl-D too, and its size follows this one's.\n" +
    "Without a sandbox a new one is made, and terminated at the end. Without a command the login shell runs. Exits as it exits.",
  options: sandboxOptions,
  arguments: [0, 1],
  commandAfter: 1,
  handlesSignals: true,
  examples: ["atoll shell", "atoll shell web", "atoll shell --isolation container -- python3"],
  async run({ values, positionals: [given], command }) {
    if (!isInteractive()) {
      throw new UsageError(
        "cannot open a shell: stdin or stdout is not a terminal",
        "Use atoll run or atoll exec instead.",
      );
    }
    const argv = command.length > 0 ? command : loginShell;
    const join = { stdin: true, pty: true };
    if (given !== undefined) {
      return joinProcess(await startProcess(given, argv, processOptions(values, ownPty())), join);
    }
    return inNewSandbox(argv, createOptions(values, ownPty()), (sandbox) => joinProcess(sandbox.process("main"), join));
  },
});

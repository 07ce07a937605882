import { passesStdin } from "../attach.ts";
import { ownPty, processOptions } from "../create-options.ts";
import { UsageError } from "../errors.ts";
import { joinProcess, startProcess } from "../in-process.ts";
import { flag } from "../option.ts";
import { attachOptions, commandOptions } from "../options.ts";
import { printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const exec = defineVerb({
  usage: "SANDBOX [--] COMMAND [ARGUMENT...]",
  description:
    "Runs the command in a sandbox with this process's stdin, stdout and stderr, and exits with its exit code. Stdin is passed\n" +
    "on when it is a pipe or a file; from a terminal only with -i. Ctrl-C is passed on as SIGINT; a second one kills the command.",
  options: { ...attachOptions, detach: flag("Print the process's id and leave it running.", "d"), ...commandOptions },
  arguments: [1, 1],
  commandAfter: 1,
  handlesSignals: true,
  examples: ["atoll exec web -- ls -l /", "atoll exec -it web -- python3", "tar c . | atoll exec web -- tar x -C /srv"],
  async run({ values, positionals: [given = ""], command }) {
    if (command.length === 0) throw new UsageError("cannot exec without a command", "Name one: atoll exec web -- ls.");
    const stdin = passesStdin(values) && !values.detach;
    const options = { ...processOptions(values, values.pty ? ownPty() : undefined), stdin };
    const process_ = await startProcess(given, command, options);
    if (!values.detach) return joinProcess(process_, { stdin, pty: values.pty });
    await printLine(process_.id);
    return 0;
  },
});

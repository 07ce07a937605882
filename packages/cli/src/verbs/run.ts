import { announceTunnels } from "../announce-tunnels.ts";
import { passesStdin } from "../attach.ts";
import { createOptions, ownPty } from "../create-options.ts";
import { UsageError } from "../errors.ts";
import { inNewSandbox } from "../new-sandbox.ts";
import { flag } from "../option.ts";
import { attachOptions, sandboxOptions } from "../options.ts";
import { printLine } from "../print.ts";
import { reportEnd, resultOf } from "../result.ts";
import { runSession } from "../session.ts";
import { defineVerb } from "../verb.ts";

export const run = defineVerb({
  usage: "[--] COMMAND [ARGUMENT...]",
  description:
    "Creates a sandbox, runs the command in it with this process's stdin, stdout and stderr, exits with its exit code, and\n" +
    "leaves no sandbox behind. Stdin is passed on when it is a pipe or a file; from a terminal only with -i. Ctrl-C is passed\n" +
    "on as SIGINT; a second one terminates the sandbox. Where its ports are reached is said on stderr.",
  options: {
    ...attachOptions,
    detach: flag("Print the sandbox's id and leave it running.", "d"),
    ...sandboxOptions,
  },
  arguments: [0, 0],
  commandAfter: 0,
  handlesSignals: true,
  examples: [
    'atoll run -- echo "Hello, world!"',
    "atoll run -it -- bash",
    "echo 'print(6 * 7)' | atoll run --memory 256MiB --block-network -- python3 -",
  ],
  async run({ values, command }) {
    if (command.length === 0) {
      throw new UsageError("cannot run without a command", "Name one: atoll run -- echo hello; see atoll help run.");
    }
    const options = createOptions(values, values.pty ? ownPty() : undefined);
    return inNewSandbox(command, options, async (sandbox) => {
      await announceTunnels(sandbox);
      if (values.detach) {
        sandbox.detach();
        await printLine(sandbox.id);
        return 0;
      }
      const result = await runSession({
        process: sandbox.process("main"),
        stdin: passesStdin(values),
        pty: values.pty,
        result: (signal) => resultOf(sandbox.wait({ signal, raiseOnTermination: false })),
      });
      return reportEnd(`sandbox ${sandbox.id}`, result);
    });
  },
});

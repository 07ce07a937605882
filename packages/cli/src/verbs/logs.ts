import { OutputReader } from "@atoll/sdk";
import { copyStream } from "../attach.ts";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { flag, integer, one, text } from "../option.ts";
import { write } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const logs = defineVerb({
  usage: "SANDBOX",
  description:
    "Prints what a sandbox's own command, or a process started by exec, has written: its stdout on stdout, its stderr on stderr.",
  options: {
    follow: flag("Go on as it writes, until it has ended.", "f"),
    stdout: flag("Only stdout."),
    stderr: flag("Only stderr."),
    process: one("ID", "A process started by exec instead of the sandbox's own command.", text),
    offset: one("BYTES", "Begin at this byte of each stream.", integer),
  },
  arguments: [1, 1],
  examples: ["atoll logs -f web", "atoll logs --stderr web 2>errors.txt"],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const sandboxId = await findSandboxId(client, given, signal);
    const processId = values.process ?? "main";
    const wanted = (["stdout", "stderr"] as const).filter(
      (stream) => values[stream] || !(values.stdout || values.stderr),
    );
    const offset = values.offset ?? 0;
    await Promise.all(
      wanted.map(async (stream) => {
        if (values.follow) {
          return copyStream(
            new OutputReader({ client, sandboxId, processId, stream }, offset),
            process[stream],
            signal,
          );
        }
        const params = { sandboxId, processId, stream };
        const { body } = await client.open("readOutput", { params, query: { offset, follow: false }, signal });
        for await (const chunk of body ?? []) await write(process[stream], chunk);
      }),
    );
    return 0;
  },
});

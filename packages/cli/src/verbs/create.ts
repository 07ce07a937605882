import { announceTunnels } from "../announce-tunnels.ts";
import { connect } from "../connect.ts";
import { createOptions, ownPty } from "../create-options.ts";
import { createSandbox } from "../new-sandbox.ts";
import { flag } from "../option.ts";
import { json, sandboxOptions } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const create = defineVerb({
  usage: "[--] [COMMAND [ARGUMENT...]]",
  description:
    "Creates a sandbox and prints its id. Without a command it waits to be used with exec or shell, until it is terminated or\n" +
    "reaches its time limit.",
  options: { ...sandboxOptions, pty: flag("Give the command a terminal.", "t"), json },
  arguments: [0, 0],
  commandAfter: 0,
  examples: ["id=$(atoll create --timeout 1h)", "atoll create --name web --tag team=red -- python3 -m http.server"],
  async run({ values, command, signal }) {
    const client = await connect(signal);
    const options = createOptions(values, values.pty ? ownPty() : undefined);
    const sandbox = await createSandbox(client, command, { ...options, signal });
    if (values.json) await printJson(sandbox.lastInfo);
    else {
      await announceTunnels(sandbox);
      await printLine(sandbox.id);
    }
    return 0;
  },
});

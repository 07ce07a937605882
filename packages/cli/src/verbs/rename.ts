import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const rename = defineVerb({
  usage: "SANDBOX NAME",
  description: "Gives a running sandbox a name in its app, in place of the one it may have, and prints it.",
  options: { json },
  arguments: [2, 2],
  examples: ["atoll rename sb-0123456789abcdefghijkl web"],
  async run({ values, positionals: [given = "", name = ""], signal }) {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    await sandbox.setName(name, { signal });
    await (values.json ? printJson(sandbox.lastInfo) : printLine(name));
    return 0;
  },
});

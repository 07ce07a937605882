import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { describeResult } from "../result.ts";
import { defineVerb } from "../verb.ts";

export const poll = defineVerb({
  usage: "SANDBOX",
  description: "Prints the sandbox's state, or how it ended, without waiting. Exits with 0 either way.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const { lastInfo } = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    const { id, state, result } = lastInfo;
    if (values.json) await printJson({ id, state, result });
    else await printLine(result ? describeResult(result) : state);
    return 0;
  },
});

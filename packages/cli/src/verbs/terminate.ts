import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const terminate = defineVerb({
  usage: "SANDBOX...",
  description: "Ends sandboxes and every process in them, and prints their ids. Does nothing to one that has finished.",
  options: { json },
  arguments: [1, Number.POSITIVE_INFINITY],
  examples: ["atoll terminate web", "atoll terminate $(atoll ls -q --app demo)"],
  async run({ values, positionals, signal }) {
    const client = await connect(signal);
    // All are looked up first, so that a slip of the pen ends none.
    const ids: string[] = [];
    for (const given of positionals) ids.push(await findSandboxId(client, given, signal));
    const ended = await Promise.all(
      [...new Set(ids)].map((sandboxId) => client.request("terminateSandbox", { params: { sandboxId }, signal })),
    );
    if (values.json) await printJson(ended);
    else for (const { id } of ended) await printLine(id);
    return 0;
  },
});

import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { pair } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const tag = defineVerb({
  usage: "SANDBOX [KEY=VALUE | KEY-]...",
  description: "Sets tags (KEY=VALUE), removes tags (KEY-), keeps all others, and prints what the sandbox then has.",
  options: { json },
  arguments: [1, 51],
  examples: ["atoll tag web team=red stage-"],
  async run({ values, positionals: [given = "", ...changes], signal }) {
    const changed = changes.map(change);
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    if (changed.length > 0) await sandbox.setTags(apply(sandbox.lastInfo.tags, changed), { signal });
    const { tags } = sandbox.lastInfo;
    if (values.json) await printJson(tags);
    else for (const [key, value] of Object.entries(tags)) await printLine(`${key}=${plain(value)}`);
    return 0;
  },
});

type Change = readonly [key: string, value: string | undefined];

function change(given: string): Change {
  const isRemoval = given.endsWith("-") && !given.includes("=");
  return isRemoval ? [given.slice(0, -1), undefined] : pair(given);
}

function apply(tags: { readonly [key: string]: string }, changes: readonly Change[]): { [key: string]: string } {
  const result = new Map(Object.entries(tags));
  for (const [key, value] of changes) {
    if (value === undefined) result.delete(key);
    else result.set(key, value);
  }
  return Object.fromEntries(result);
}

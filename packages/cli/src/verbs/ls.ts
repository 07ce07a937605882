import { Sandbox, type SandboxInfo } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { flag, many, one, pairs, text } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printTable } from "../print.ts";
import { formatDuration } from "../quantity.ts";
import { describeResult } from "../result.ts";
import { defineVerb } from "../verb.ts";

export const ls = defineVerb({
  usage: "",
  description:
    "Lists sandboxes, newest first: those that have not finished, or with --all those that are remembered too.",
  options: {
    all: flag("Finished ones too.", "a"),
    app: one("NAME", "Only those of this app.", text),
    tag: many("KEY=VALUE", "Only those with this tag.", pairs),
    quiet: flag("Print ids only.", "q"),
    json,
  },
  arguments: [0, 0],
  examples: ["atoll ls --all --tag team=red", "atoll terminate $(atoll ls -q)"],
  async run({ values, signal }) {
    const client = await connect(signal);
    const { all, app, tag: tags } = values;
    const found: SandboxInfo[] = [];
    for await (const { lastInfo } of Sandbox.list({ client, signal, all, app, tags })) found.push(lastInfo);
    if (values.json) await printJson(found);
    else if (values.quiet) for (const { id } of found) await printLine(id);
    else await printTable(header, found.map(row));
    return 0;
  },
});

const header = ["ID", "NAME", "APP", "STATE", "ISOLATION", "NETWORK", "ADDRESS", "AGE", "COMMAND"];
const shownCommand = 40;

function row(info: SandboxInfo): string[] {
  const command = plain(info.command.join(" "));
  return [
    info.id,
    info.name ?? "-",
    info.app,
    info.result ? describeResult(info.result) : info.state,
    info.isolation,
    info.network ?? "-",
    info.address ?? "-",
    formatDuration(Math.max(0, Date.now() - Date.parse(info.createdAt))),
    command.length > shownCommand ? `${command.slice(0, shownCommand - 3)}...` : command || "-",
  ];
}

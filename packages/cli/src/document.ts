/** docs/cli.md, from the same tables as --help. Pure. */
import type { LoadedVerb } from "./completion.ts";
import { environmentVariables, exitCodeTable, optionRows, overview, usageLine } from "./help.ts";

export function cliDocument(loaded: readonly LoadedVerb[]): string {
  return [
    "# The atoll command",
    "",
    "<!-- Written by `node packages/cli/scripts/write-document.ts` from the tables in packages/cli/src; a test compares. -->",
    "",
    overview,
    "",
    "A sandbox is named by its id, by the beginning of its id (with or without `sb-`), or by its name. Durations are written `30s`,",
    "`5m`, `1h30m`, `250ms`; sizes `512MiB`, `2GB`, `1g`. Where `--json` is offered, data is printed as JSON on stdout and an error as",
    '`{"error":{"code","message","hint"}}` on stderr.',
    "",
    ...table("Exit code", "Meaning", exitCodeTable),
    "",
    ...table("Variable", "Meaning", environmentVariables),
    "",
    ...loaded.flatMap(verbSection),
  ].join("\n");
}

function verbSection({ entry, verb }: LoadedVerb): string[] {
  const rows = optionRows(verb.options).map(([left, right]) => [left.trim(), right] as const);
  const examples = verb.examples ? ["", "```sh", ...verb.examples, "```"] : [];
  return [
    `## ${entry.name}`,
    "",
    `${entry.summary}.`,
    "",
    `    ${usageLine(entry.name, verb)}`,
    "",
    verb.description,
    "",
    ...table("Option", "Meaning", rows),
    ...examples,
    "",
  ];
}

function table(left: string, right: string, rows: readonly (readonly [string, string])[]): string[] {
  return [`| ${left} | ${right} |`, "|---|---|", ...rows.map(([a, b]) => `| \`${a}\` | ${b.replaceAll("|", "\\|")} |`)];
}

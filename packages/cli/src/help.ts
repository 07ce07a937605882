/** Help as text. Pure. */
import type { Option, Options } from "./option.ts";
import type { Verb } from "./verb.ts";
import type { VerbEntry } from "./verbs.ts";

export const overview = "Sandboxes for code you did not write, on your own machines.";

export const environmentVariables: readonly (readonly [name: string, text: string])[] = [
  ["ATOLL_URL", "Address of the server; this machine's own when absent, started if needed."],
  ["ATOLL_TOKEN", "Token for ATOLL_URL, from atoll token create."],
  ["ATOLL_STATE_DIR", "State directory of this machine's server; /var/lib/atoll when absent."],
  ["NO_COLOR", "Any value turns colours off."],
];

export const exitCodeTable: readonly (readonly [code: string, text: string])[] = [
  ["2", "The command line is wrong."],
  ["124", "The sandbox or process reached its time limit."],
  ["125", "atoll itself failed; the reason is on stderr."],
  ["126", "The command is there but cannot be started."],
  ["127", "The command is not there."],
  ["128+n", "The command was ended by signal n; 137 also when it was terminated or ran out of memory."],
];

export function overallHelp(entries: readonly VerbEntry[]): string {
  const groups = [...new Set(entries.map(({ group }) => group))];
  const sections = groups.map((group) => {
    const rows = entries.filter((entry) => entry.group === group).map(({ name, summary }) => [name, summary] as const);
    return section(group, rows);
  });
  return [
    overview,
    "",
    "Usage: atoll VERB [OPTION...] [ARGUMENT...]",
    "",
    ...sections,
    section("Environment", environmentVariables),
    "atoll help VERB, or atoll VERB --help, explains one of them.",
  ].join("\n");
}

/** Help for `atoll token`: the verbs that begin with the word. */
export function groupHelp(word: string, entries: readonly VerbEntry[]): string {
  const rows = entries
    .filter(({ name }) => name.startsWith(`${word} `))
    .map(({ name, summary }) => [name, summary] as const);
  return [`Usage: atoll ${word} VERB [OPTION...] [ARGUMENT...]`, "", section("Verbs", rows)].join("\n").trimEnd();
}

export function verbHelp({ name, summary }: VerbEntry, verb: Verb): string {
  const parts = [`${summary}.`, "", `Usage: ${usageLine(name, verb)}`, "", verb.description, ""];
  parts.push(section("Options", optionRows(verb.options)));
  if (verb.examples) parts.push("Examples:", ...verb.examples.map((example) => `  ${example}`));
  return parts.join("\n").trimEnd();
}

export function usageLine(name: string, verb: Verb): string {
  return `atoll ${name}${Object.keys(verb.options).length > 0 ? " [OPTION...]" : ""} ${verb.usage}`.trimEnd();
}

export function optionRows(options: Options): (readonly [string, string])[] {
  const rows = Object.entries(options).map(([name, option]) => [spelling(name, option), helpOf(option)] as const);
  return [...rows, ["    --help", "Explain the verb."]];
}

function spelling(name: string, { short, value }: Option<unknown>): string {
  return `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`;
}

function helpOf({ help, isRepeatable }: Option<unknown>): string {
  return isRepeatable ? `${help} May be repeated.` : help;
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return [`${title}:`, ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`), ""].join("\n");
}

/** Completion scripts for shells, from the tables of verbs and options. Pure but for loading the verbs. */
import type { Option } from "./option.ts";
import type { Verb } from "./verb.ts";
import { type VerbEntry, verbs } from "./verbs.ts";

export interface LoadedVerb {
  readonly entry: VerbEntry;
  readonly verb: Verb;
}

export function loadVerbs(): Promise<LoadedVerb[]> {
  return Promise.all(verbs.map(async (entry) => ({ entry, verb: await entry.load() })));
}

function firstWords(loaded: readonly LoadedVerb[]): string[] {
  return [...new Set(loaded.map(({ entry }) => entry.name.split(" ")[0] ?? ""))];
}

function secondWords(loaded: readonly LoadedVerb[], first: string): string[] {
  return loaded.flatMap(({ entry }) =>
    entry.name.startsWith(`${first} `) ? [entry.name.slice(first.length + 1)] : [],
  );
}

/** A verb may be the first word of others too. */
function nextWords(loaded: readonly LoadedVerb[], { name }: VerbEntry, verb: Verb): string {
  return [...secondWords(loaded, name), ...optionWords(verb)].join(" ");
}

function optionWords(verb: Verb): string[] {
  const words = Object.entries(verb.options).flatMap(([name, { short }]) => [
    `--${name}`,
    ...(short ? [`-${short}`] : []),
  ]);
  return [...words, "--help"];
}

/** `word` completes the verb, then its second word, then options; ids of sandboxes come from the server. */
export function bashCompletion(loaded: readonly LoadedVerb[]): string {
  const firsts = firstWords(loaded);
  const longer = loaded.flatMap(({ entry }) => (entry.name.includes(" ") ? [`"${entry.name}"`] : []));
  const groups = firsts.filter((first) => loaded.every(({ entry }) => entry.name !== first));
  return [
    "# bash completion of atoll",
    "_atoll() {",
    `  local word=$2 previous=$3 verb=\${COMP_WORDS[1]} words`,
    `  case "$verb \${COMP_WORDS[2]}" in`,
    `    ${longer.join("|") || "-"}) [ "$COMP_CWORD" -gt 2 ] && verb="$verb \${COMP_WORDS[2]}" ;;`,
    "  esac",
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${firsts.join(" ")}" -- "$word"))`,
    "    return",
    "  fi",
    '  case "$previous" in',
    ...choiceCases(loaded),
    "  esac",
    '  case "$verb" in',
    ...groups.map((group) => `    ${group}) words="${secondWords(loaded, group).join(" ")}" ;;`),
    ...loaded.map(({ entry, verb }) => `    "${entry.name}") words="${nextWords(loaded, entry, verb)}" ;;`),
    "  esac",
    '  case "$word" in',
    '    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;',
    "    *)",
    '      case "$verb" in',
    ...takingSandbox(loaded).map((name) => {
      const seconds = secondWords(loaded, name).map((second) => `${second} `);
      return `        "${name}") words="${seconds.join("")}$(atoll ls -q 2>/dev/null)" ;;`;
    }),
    "      esac",
    '      COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "      ;;",
    "  esac",
    "}",
    "complete -o default -F _atoll atoll",
    "",
  ].join("\n");
}

function choiceCases(loaded: readonly LoadedVerb[]): string[] {
  const choices = new Map<string, readonly string[]>();
  for (const { verb } of loaded) {
    for (const [name, option] of Object.entries(verb.options)) if (option.choices) choices.set(name, option.choices);
  }
  return [...choices].map(
    ([name, words]) => `    --${name}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")); return ;;`,
  );
}

function takingSandbox(loaded: readonly LoadedVerb[]): string[] {
  return loaded.filter(({ verb }) => verb.usage.includes("SANDBOX")).map(({ entry }) => entry.name);
}

export function zshCompletion(loaded: readonly LoadedVerb[]): string {
  return ["#compdef atoll", "autoload -U +X bashcompinit && bashcompinit", bashCompletion(loaded)].join("\n");
}

export function fishCompletion(loaded: readonly LoadedVerb[]): string {
  const lines = ["# fish completion of atoll", "complete -c atoll -f"];
  for (const first of firstWords(loaded)) {
    const summary = loaded.find(({ entry }) => entry.name === first)?.entry.summary ?? `Verbs on each ${first}`;
    lines.push(`complete -c atoll -n __fish_use_subcommand -a ${first} -d ${fishQuoted(summary)}`);
    const seconds = secondWords(loaded, first);
    if (seconds.length > 0)
      lines.push(`complete -c atoll -n '__fish_seen_subcommand_from ${first}' -a '${seconds.join(" ")}'`);
  }
  for (const { entry, verb } of loaded) {
    for (const [name, option] of Object.entries(verb.options)) lines.push(fishOption(entry.name, name, option));
  }
  for (const name of takingSandbox(loaded)) {
    lines.push(`complete -c atoll -n '${fishCondition(name)}' -a '(atoll ls -q 2>/dev/null)'`);
  }
  return `${lines.join("\n")}\n`;
}

function fishOption(verb: string, name: string, { short, value, help, choices }: Option<unknown>): string {
  const parts = [`complete -c atoll -n '${fishCondition(verb)}'`, `-l ${name}`];
  if (short) parts.push(`-s ${short}`);
  if (value) parts.push(choices ? `-x -a '${choices.join(" ")}'` : "-r");
  return [...parts, `-d ${fishQuoted(help)}`].join(" ");
}

/** That all words of a verb are there. */
function fishCondition(verb: string): string {
  return verb
    .split(" ")
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join("; and ");
}

function fishQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

import { UsageError } from "../errors.ts";
import { groupHelp, overallHelp, verbHelp } from "../help.ts";
import { printLine } from "../print.ts";
import { nearest } from "../suggest.ts";
import { defineVerb } from "../verb.ts";
import { verbs } from "../verbs.ts";

export const help = defineVerb({
  usage: "[VERB]",
  description: "Explains atoll, or one of its verbs with all its options.",
  options: {},
  arguments: [0, 2],
  async run({ positionals }) {
    await printLine(await helpFor(positionals.join(" ")));
    return 0;
  },
});

async function helpFor(name: string): Promise<string> {
  if (name === "") return overallHelp(verbs);
  const entry = verbs.find((candidate) => candidate.name === name);
  if (entry) return verbHelp(entry, await entry.load());
  if (verbs.some((candidate) => candidate.name.startsWith(`${name} `))) return groupHelp(name, verbs);
  const guess = nearest(
    name,
    verbs.map((candidate) => candidate.name),
  );
  throw new UsageError(
    `cannot explain ${JSON.stringify(name)}: there is no such verb`,
    guess ? `Did you mean atoll help ${guess}?` : "atoll help lists all verbs.",
  );
}

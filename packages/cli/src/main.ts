/** Finds the verb, reads its arguments, runs it, and turns what went wrong into a message and an exit code. */
import { UsageError } from "./errors.ts";
import { reportError } from "./report-error.ts";
import { nearest } from "./suggest.ts";
import { type VerbEntry, verbs } from "./verbs.ts";

// Every write is awaited where it matters and fails there; the event alone would end the process with a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const isJson = process.argv.includes("--json");
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = await reportError(error, isJson);
}
// Idle connections and an unread stdin would keep the process; everything to be printed has been written.
process.exit();

async function main(argv: readonly string[]): Promise<number> {
  const [first = "help", second] = argv;
  if (first === "--version" || first === "-V") return runVerb(entryOf("version"), []);
  if (first === "--help" || first === "-h") return runVerb(entryOf("help"), []);
  const words = verbs.filter(({ name }) => name.startsWith(`${first} `));
  const longer = words.find(({ name }) => name === `${first} ${second}`);
  if (longer) return runVerb(longer, argv.slice(2));
  const entry = verbs.find(({ name }) => name === first);
  if (entry) return runVerb(entry, argv.slice(1));
  if (words.length === 0) throw unknownVerb(first, verbs);
  if (second === undefined || isHelp(second)) return runVerb(entryOf("help"), [first]);
  throw unknownVerb(`${first} ${second}`, words);
}

async function runVerb(entry: VerbEntry, argv: readonly string[]): Promise<number> {
  const verb = await entry.load();
  const { parse } = await import("./parse.ts");
  const parsed = parse(entry.name, verb, argv);
  if (parsed.wantsHelp) return runVerb(entryOf("help"), entry.name.split(" "));
  if (verb.handlesSignals) return verb.run({ ...parsed, signal: new AbortController().signal });
  const { untilInterrupted } = await import("./interrupt.ts");
  return untilInterrupted((signal) => verb.run({ ...parsed, signal }));
}

function isHelp(word: string): boolean {
  return word === "--help" || word === "-h";
}

function entryOf(name: string): VerbEntry {
  const entry = verbs.find((candidate) => candidate.name === name);
  if (!entry) throw new Error(`the table of verbs has no ${name}`);
  return entry;
}

function unknownVerb(typed: string, among: readonly VerbEntry[]): UsageError {
  const firstWords = among.map(({ name }) => name.split(" ")[0] ?? name);
  const guess = nearest(typed, [...among.map(({ name }) => name), ...firstWords]);
  const hint = guess ? `Did you mean atoll ${guess}? atoll help lists all verbs.` : "atoll help lists all verbs.";
  return new UsageError(`cannot understand ${JSON.stringify(typed)}: there is no such verb`, hint);
}

/** Arguments to values, by a verb's table of options. Pure. */
import { UsageError } from "./errors.ts";
import type { Option, Options, Values } from "./option.ts";
import { nearest } from "./suggest.ts";
import type { Verb } from "./verb.ts";

export interface Parsed<O extends Options = Options> {
  readonly values: Values<O>;
  readonly positionals: readonly string[];
  readonly command: readonly string[];
  /** `--help` or `-h` was among the verb's own options; nothing else was checked. */
  readonly wantsHelp: boolean;
}

/** @throws UsageError */
export function parse(name: string, verb: Verb, argv: readonly string[]): Parsed {
  const collected = new Map<string, string[]>();
  const positionals: string[] = [];
  let rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      if (verb.commandAfter === undefined) positionals.push(...rest.splice(0));
      break;
    }
    if (word === "--help" || word === "-h") return { values: {}, positionals: [], command: [], wantsHelp: true };
    if (word.startsWith("--")) rest = takeLong(name, verb.options, word, rest, collected);
    else if (word.startsWith("-") && word !== "-") rest = takeShort(name, verb.options, word, rest, collected);
    else if (positionals.length === verb.commandAfter) {
      rest.unshift(word);
      break;
    } else positionals.push(word);
  }
  checkCount(name, verb, positionals);
  return { values: readAll(name, verb.options, collected), positionals, command: rest, wantsHelp: false };
}

type Collected = Map<string, string[]>;

function takeLong(verb: string, options: Options, word: string, rest: string[], collected: Collected): string[] {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const option = options[name];
  if (!option || !Object.hasOwn(options, name)) throw unknownOption(verb, `--${name}`, options);
  if (equals >= 0 && option.value === undefined) {
    throw new UsageError(`cannot give a value to --${name}: it takes none`, `See atoll help ${verb}.`);
  }
  return takeValue(verb, name, option, equals < 0 ? undefined : word.slice(equals + 1), rest, collected);
}

/** `-it`, `-e KEY=VALUE` and `-eKEY=VALUE`. */
function takeShort(verb: string, options: Options, word: string, rest: string[], collected: Collected): string[] {
  for (let at = 1; at < word.length; at += 1) {
    const [name, option] = Object.entries(options).find(([, { short }]) => short === word[at]) ?? [];
    if (!name || !option) throw unknownOption(verb, `-${word[at]}`, options);
    if (option.value !== undefined) {
      return takeValue(verb, name, option, word.slice(at + 1) || undefined, rest, collected);
    }
    takeValue(verb, name, option, undefined, rest, collected);
  }
  return rest;
}

function takeValue(
  verb: string,
  name: string,
  option: Option<unknown>,
  attached: string | undefined,
  rest: string[],
  collected: Collected,
): string[] {
  const [next, ...behind] = rest;
  const isFlag = option.value === undefined;
  const value = isFlag ? "" : (attached ?? next);
  if (value === undefined) {
    throw new UsageError(
      `cannot use --${name} without a value`,
      `Write --${name} ${option.value}; see atoll help ${verb}.`,
    );
  }
  collected.set(name, [...(collected.get(name) ?? []), value]);
  return isFlag || attached !== undefined ? rest : behind;
}

function unknownOption(verb: string, typed: string, options: Options): UsageError {
  const guess = nearest(
    typed,
    Object.keys(options).map((name) => `--${name}`),
  );
  const hint = guess ? `Did you mean ${guess}? See atoll help ${verb}.` : `See atoll help ${verb}.`;
  return new UsageError(`cannot understand ${typed}: atoll ${verb} has no such option`, hint);
}

function checkCount(name: string, verb: Verb, positionals: readonly string[]): void {
  const [least, most] = verb.arguments;
  const usage = `Usage: atoll ${name} ${verb.usage}`.trimEnd();
  if (positionals.length < least) {
    throw new UsageError(`cannot ${name.split(" ").at(-1)}: an argument is missing`, usage);
  }
  const extra = positionals[most];
  if (extra !== undefined) throw new UsageError(`cannot understand the argument ${JSON.stringify(extra)}`, usage);
}

function readAll(verb: string, options: Options, collected: Collected): Values<Options> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, readOne(verb, name, option, collected.get(name) ?? [])]),
  );
}

function readOne(verb: string, name: string, option: Option<unknown>, values: readonly string[]): unknown {
  try {
    return option.read(values);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message} for --${name}`, `${error.hint} See atoll help ${verb}.`);
  }
}

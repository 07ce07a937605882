/** One option of a verb: how it is written and what it becomes. */
import { UsageError } from "./errors.ts";

export interface Option<T> {
  readonly short?: string | undefined;
  /** What the value is called in help, such as DURATION; undefined for a flag. */
  readonly value?: string | undefined;
  readonly isRepeatable: boolean;
  readonly help: string;
  /** What completion may offer as the value. */
  readonly choices?: readonly string[] | undefined;
  /** From the values in the order given; empty when the option is absent. */
  read(values: readonly string[]): T;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of options of different types; `Values` gives each back its own.
export type Options = { readonly [name: string]: Option<any> };
export type Values<O extends Options> = { readonly [name in keyof O]: O[name] extends Option<infer T> ? T : never };

export function flag(help: string, short?: string): Option<boolean> {
  return { short, help, isRepeatable: false, read: (values) => values.length > 0 };
}

interface Details {
  readonly short?: string;
  readonly choices?: readonly string[];
}

/** An option with one value; the last one given counts. */
export function one<T>(
  value: string,
  help: string,
  parse: (text: string) => T,
  details: Details = {},
): Option<T | undefined> {
  const read = (values: readonly string[]) => {
    const last = values.at(-1);
    return last === undefined ? undefined : parse(last);
  };
  return { ...details, value, help, isRepeatable: false, read };
}

/** An option that may be given several times. */
export function many<T>(
  value: string,
  help: string,
  collect: (texts: readonly string[]) => T,
  details: Details = {},
): Option<T> {
  return { ...details, value, help, isRepeatable: true, read: collect };
}

export function text(given: string): string {
  return given;
}

export function oneOf<const Choice extends string>(choices: readonly Choice[]): (given: string) => Choice {
  return (given) => {
    const choice = choices.find((candidate) => candidate === given);
    if (choice !== undefined) return choice;
    throw new UsageError(`cannot use ${JSON.stringify(given)} here`, `It must be one of ${choices.join(", ")}.`);
  };
}

export function number(given: string): number {
  if (/^\d+(\.\d+)?$/.test(given)) return Number(given);
  throw new UsageError(`cannot read ${JSON.stringify(given)} as a number`, "Write it as 2 or 0.5.");
}

export function integer(given: string): number {
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new UsageError(`cannot read ${JSON.stringify(given)} as a whole number`, "Write it in digits, such as 64.");
}

/** KEY=VALUE pairs, later ones winning. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map(pair));
}

export function pair(given: string): [string, string] {
  const equals = given.indexOf("=");
  if (equals > 0) return [given.slice(0, equals), given.slice(equals + 1)];
  throw new UsageError(`cannot read ${JSON.stringify(given)}`, "Write it as KEY=VALUE.");
}

/** As `pairs`; KEY alone takes its value from atoll's own environment, so that the value is not on the command line. */
export function environment(texts: readonly string[]): Record<string, string> {
  return pairs(texts.map((given) => (given.includes("=") ? given : `${given}=${fromEnvironment(given)}`)));
}

export function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  throw new UsageError(`cannot take ${name} from the environment: it is not set`, `Write it as ${name}=VALUE.`);
}

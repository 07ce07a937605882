/** The two ways to write a command: `f("ls", "-l", options)` and `f(["ls", "-l"], options)`. */
import { InvalidError } from "./errors.ts";

/** The arguments of a variadic call: strings, and options last. */
export type CommandArguments<Options> = readonly string[] | readonly [...argv: string[], options: Options];

export interface Command<Options> {
  readonly argv: readonly string[];
  readonly options: Partial<Options>;
}

/** Tells command and options apart. Throws `InvalidError` for anything but strings before the options. */
export function parseCommand<Options extends object>(what: string, given: readonly unknown[]): Command<Options> {
  const last = given.at(-1);
  const hasOptions = typeof last === "object" && last !== null && !Array.isArray(last);
  // A missing options argument is often passed on as undefined.
  const rest = hasOptions || (given.length > 0 && last === undefined) ? given.slice(0, -1) : given;
  const argv: readonly unknown[] = rest.length === 1 && Array.isArray(rest[0]) ? rest[0] : rest;
  if (!argv.every((argument) => typeof argument === "string")) throw notStrings(what);
  return { argv, options: hasOptions ? (last as Options) : {} };
}

function notStrings(what: string): InvalidError {
  return new InvalidError(`cannot ${what}: the command must be strings`, {
    code: "invalid_argument",
    hint: 'Write the command as ("ls", "-l", options) or (["ls", "-l"], options).',
  });
}

/** Throws `InvalidError` for an option that does not exist, which would otherwise be ignored silently. */
export function checkOptions(what: string, options: object, known: { readonly [name: string]: true }): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(known, name)) throw unknownOption(what, name, Object.keys(known));
  }
}

function unknownOption(what: string, name: string, known: readonly string[]): InvalidError {
  return new InvalidError(`cannot ${what}: there is no option ${name}`, {
    code: "invalid_argument",
    hint: `The options are ${known.join(", ")}.`,
  });
}

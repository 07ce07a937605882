/** One verb of the command: what it takes and what it does. */
import type { Options, Values } from "./option.ts";

export interface Input<O extends Options> {
  readonly values: Values<O>;
  /** Arguments before the command. */
  readonly positionals: readonly string[];
  /** The command of verbs that take one; empty when none was given. */
  readonly command: readonly string[];
  /** Aborted by the first Ctrl-C, unless the verb handles that itself. */
  readonly signal: AbortSignal;
}

export interface Verb<O extends Options = Options> {
  /** What follows the name in the usage line, such as `SANDBOX [--] COMMAND [ARGUMENT...]`. */
  readonly usage: string;
  /** One paragraph or two for help. */
  readonly description: string;
  readonly options: O;
  /** How many arguments there are at least and at most, not counting the command. */
  readonly arguments: readonly [least: number, most: number];
  /** The command begins after this many arguments, or after `--`; options behind it belong to the command. */
  readonly commandAfter?: number;
  readonly examples?: readonly string[];
  /** Ctrl-C is not turned into an abort of `signal`. */
  readonly handlesSignals?: true;
  /** @returns the exit code */
  run(input: Input<O>): Promise<number>;
}

/** Lets a verb's options give its values their types. */
export function defineVerb<const O extends Options>(verb: Verb<O>): Verb {
  return verb;
}

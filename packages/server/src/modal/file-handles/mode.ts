/** How a file is opened, as Python has it: https://docs.python.org/3/library/functions.html#open */
import { AtollError } from "../../error.ts";
import type { WriteOptions } from "../../files/files.ts";

export interface Mode {
  readonly reads: boolean;
  readonly writes: boolean;
  /** Every write goes to the end. */
  readonly appends: boolean;
  /** How the file is written to when it is opened; undefined for one that has to be there. */
  readonly opening: WriteOptions["how"] | undefined;
}

const openings = { r: undefined, w: "truncate", x: "exclusive", a: "append" } as const;

/** Pure. @throws AtollError invalid_argument */
export function modeOf(text: string): Mode {
  const kinds = [...text].filter((letter): letter is keyof typeof openings => letter in openings);
  const [kind] = kinds;
  const isKnown = /^[rwaxbt+]+$/.test(text) && new Set(text).size === text.length;
  if (kind === undefined || kinds.length > 1 || !isKnown)
    throw new AtollError("invalid_argument", `cannot open a file: ${JSON.stringify(text)} is no mode`);
  const isBoth = text.includes("+");
  return {
    reads: kind === "r" || isBoth,
    writes: kind !== "r" || isBoth,
    appends: kind === "a",
    opening: openings[kind],
  };
}

/** One logical line as an instruction: its keyword, its flags, and the rest. Pure. */
import { badLine, unsupportedLine } from "./dockerfile-error.ts";
import type { Heredoc, Lines } from "./lines.ts";
import { rawWords } from "./words.ts";

const keywords = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "LABEL",
  "MAINTAINER",
  "RUN",
  "SHELL",
  "USER",
  "WORKDIR",
] as const;
const known: ReadonlySet<string> = new Set(keywords);
/** What Docker knows and sandboxes have no use for. */
const unsupported: ReadonlySet<string> = new Set(["HEALTHCHECK", "ONBUILD", "STOPSIGNAL", "VOLUME"]);

export type Keyword = (typeof keywords)[number];

export interface Instruction {
  readonly line: number;
  readonly keyword: Keyword;
  /** `--name=value`; a flag without a value is `true`. */
  readonly flags: ReadonlyMap<string, string>;
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly escaper: string;
  /** As it is shown. */
  readonly text: string;
}

/** @throws AtollError that names the line */
export function instructionsOf({ lines, escaper }: Lines): Instruction[] {
  return lines.map(({ number, text, heredocs }) => {
    const [, word = "", after = ""] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
    const keyword = word.toUpperCase();
    if (unsupported.has(keyword)) throw unsupportedLine(number, keyword);
    if (!known.has(keyword)) throw badLine(number, `there is no instruction ${word}`);
    const { flags, rest } = flagsOf(after);
    if (rest === "" && keyword !== "FROM") throw badLine(number, `${keyword} needs an argument`);
    return { line: number, keyword: keyword as Keyword, flags, rest, heredocs, escaper, text: shown(text) };
  });
}

function flagsOf(text: string): { flags: Map<string, string>; rest: string } {
  const flags = new Map<string, string>();
  let rest = text;
  for (;;) {
    const [all, name, value] = /^--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)/.exec(rest) ?? [];
    if (all === undefined || name === undefined) return { flags, rest };
    // Mounts may be several; one is enough to be told that there are none.
    flags.set(name, value ?? "true");
    rest = rest.slice(all.length);
  }
}

/** @throws AtollError for a flag that is not among those */
export function checkFlags({ line, keyword, flags }: Instruction, ...allowed: readonly string[]): void {
  for (const name of flags.keys()) if (!allowed.includes(name)) throw unsupportedLine(line, `--${name} of ${keyword}`);
}

/** The list of words of an instruction in its JSON form; undefined for the other form. */
export function jsonWords(rest: string): string[] | undefined {
  if (!rest.startsWith("[")) return undefined;
  try {
    const parsed: unknown = JSON.parse(rest);
    if (Array.isArray(parsed) && parsed.every((word) => typeof word === "string")) return parsed;
  } catch {
    // What only looks like JSON is a command for the shell, as everywhere else.
  }
  return undefined;
}

/** NAME=VALUE pairs, unexpanded. @throws AtollError for a word that is none */
export function pairsOf({ line, keyword, rest, escaper }: Instruction): [name: string, value: string][] {
  const words = rawWords(rest, escaper);
  const first = words[0] ?? "";
  if (!first.includes("=")) {
    const value = rest.slice(first.length).trim();
    if (value === "") throw badLine(line, `${keyword} ${first} has no value`, `Write ${keyword} ${first}=VALUE.`);
    return [[first, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 1) throw badLine(line, `${word} is not NAME=VALUE`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

/** A Dockerfile's text as logical lines: continued lines are one, comments and directives are gone, heredocs are taken in. Pure. */
import { badLine } from "./dockerfile-error.ts";
import { rawWords } from "./words.ts";

export interface Heredoc {
  readonly name: string;
  readonly content: string;
  /** Variables in it are the builder's to replace; not so when the name was quoted. */
  readonly isExpanded: boolean;
}

export interface LogicalLine {
  /** Where it begins, counted from 1. */
  readonly number: number;
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
}

export interface Lines {
  readonly lines: readonly LogicalLine[];
  /** `\`, or what the directive `escape` says. */
  readonly escaper: string;
}

const directive = /^#\s*([a-zA-Z][\w-]*)\s*=\s*(.*?)\s*$/;
const comment = /^\s*#/;
const mostBytes = 1024 * 1024;

/** @throws AtollError that names the line */
export function logicalLines(text: string): Lines {
  if (text.length > mostBytes) throw badLine(1, `the file has more than ${mostBytes} characters`);
  const physical = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const escaper = escapeOf(physical);
  const lines: LogicalLine[] = [];
  for (let at = 0; at < physical.length; ) {
    const line = physical[at] ?? "";
    if (line.trim() === "" || comment.test(line)) {
      at += 1;
      continue;
    }
    const number = at + 1;
    const joined = join(physical, at, escaper);
    const taken = takeHeredocs(physical, joined.next, joined.text, escaper, number);
    lines.push({ number, text: joined.text, heredocs: taken.heredocs });
    at = taken.next;
  }
  return { lines, escaper };
}

/** Directives are comments of a special form before anything else. */
function escapeOf(physical: readonly string[]): string {
  for (const [index, line] of physical.entries()) {
    const [, name, value] = directive.exec(line) ?? [];
    if (name === undefined) break;
    if (name.toLowerCase() !== "escape") continue;
    if (value === "\\" || value === "`") return value;
    throw badLine(index + 1, `the escape character must be \\ or \`, not ${value}`);
  }
  return "\\";
}

/** Joins a line with those it continues on. Comments and empty lines on the way do not end it. */
function join(physical: readonly string[], start: number, escaper: string): { text: string; next: number } {
  let text = "";
  for (let at = start; at < physical.length; at += 1) {
    const line = physical[at] ?? "";
    if (at > start && (line.trim() === "" || comment.test(line))) continue;
    const body = continued(line, escaper);
    text += body ?? line;
    if (body === undefined) return { text: text.trim(), next: at + 1 };
  }
  return { text: text.trim(), next: physical.length };
}

/** The line without its escape character at the end; undefined when it has none, or an escaped one. */
function continued(line: string, escaper: string): string | undefined {
  const trimmed = line.replace(/[ \t]+$/, "");
  if (!trimmed.endsWith(escaper)) return undefined;
  const before = trimmed.slice(0, -1);
  return before.endsWith(escaper) ? undefined : before;
}

function takeHeredocs(physical: readonly string[], start: number, text: string, escaper: string, number: number) {
  const heredocs: Heredoc[] = [];
  let next = start;
  if (!/^(run|copy|add)\s/i.test(text) || !text.includes("<<")) return { heredocs, next };
  for (const word of rawWords(text, escaper)) {
    const [, dash, quote, name] = /^\d*<<(-?)(["']?)([A-Za-z_][\w.-]*)\2$/.exec(word) ?? [];
    if (name === undefined) continue;
    const body: string[] = [];
    const plain = (line: string) => (dash === "-" ? line.replace(/^\t+/, "") : line);
    for (; ; next += 1) {
      const line = physical[next];
      if (line === undefined)
        throw badLine(number, `the heredoc ${name} has no end`, `Put ${name} on a line of its own.`);
      if (plain(line) === name) break;
      body.push(plain(line));
    }
    next += 1;
    heredocs.push({ name, content: body.map((line) => `${line}\n`).join(""), isExpanded: quote === "" });
  }
  return { heredocs, next };
}

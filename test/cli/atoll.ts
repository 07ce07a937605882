/** The real command as a child process, with pipes or at a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { checkout } from "../support/server.ts";

export const program = join(checkout, "atoll");
/** Far above what anything here takes; a test that hangs ends with a message. */
const limitMs = 120_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a verb to its end. */
export function atoll(args: readonly string[], options: Options = {}): Promise<Finished> {
  const running = start(args, options);
  running.child.stdin?.end(options.input ?? "");
  return running.finished;
}

/** As `atoll`, for one that must succeed; answers with its stdout without the last newline. */
export async function succeed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await atoll(args);
  if (code !== 0) throw new Error(`atoll ${args.join(" ")} exited with ${code}: ${stderr}`);
  return stdout.replace(/\n$/, "");
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Settles once stdout matches. */
  seen(pattern: RegExp): Promise<void>;
}

/** Starts a verb with pipes. */
export function start(args: readonly string[], { env }: Options = {}): Running {
  return follow(spawn(program, args, { env: { ...process.env, NO_COLOR: "1", ...env }, timeout: limitMs }));
}

function follow(child: ChildProcess): Running {
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("latin1").on("data", (piece: string) => {
      text[stream] += piece;
    });
  }
  // It may end before it has read its stdin.
  child.stdin?.on("error", () => undefined);
  const finished = once(child, "close").then(([code]) => ({
    code: code as number | null,
    stdout: utf8(text.stdout),
    stderr: utf8(text.stderr),
  }));
  return { child, finished, seen: (pattern) => seen(child, text, pattern) };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

function seen(child: ChildProcess, text: { readonly stdout: string }, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!pattern.test(text.stdout)) return;
      child.stdout?.off("data", look);
      resolve();
    };
    child.stdout?.on("data", look);
    child.once("close", () => reject(new Error(`it ended before ${pattern} was seen: ${text.stdout}`)));
    look();
  });
}

/** A sandbox that idles until the test is over. */
export async function idleSandbox(t: TestContext, ...options: readonly string[]): Promise<string> {
  const id = await succeed("create", "--timeout", "10m", ...options);
  t.after(() => succeed("terminate", id));
  return id;
}

export interface AtTerminal extends Running {
  type(keys: string): void;
}

/**
 * Runs a shell command at a terminal of its own, made by script(1).
 * @param command may use $ATOLL for the program
 */
export function atTerminal(t: TestContext, command: string): AtTerminal {
  const env = { ...process.env, ATOLL: program, TERM: "xterm", NO_COLOR: "1", SHELL: "/bin/sh" };
  const child = spawn("script", ["-qefc", command, "/dev/null"], { env, timeout: limitMs });
  t.after(() => child.kill());
  return { ...follow(child), type: (keys) => child.stdin.write(keys) };
}

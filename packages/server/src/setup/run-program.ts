/** Runs a program of the machine to its end. Set-up is a process of its own, so blocking forks hold up nobody. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SetupError } from "./setup-error.ts";

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface RunResult {
  /** As a shell reports it; 127 when the program does not exist. */
  readonly exitCode: number;
  /** The last lines of stdout and stderr, at most `keptLines`. */
  readonly output: string;
}

const keptLines = 400;

export async function runProgram(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [file = "", ...args] = argv;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: options.cwd,
    env: options.env ?? process.env,
    // A group of its own: Ctrl-C on the terminal reaches us alone, and we end the whole group.
    detached: true,
  });
  const end = () => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
  options.signal.addEventListener("abort", end);
  const lines: string[] = [];
  const take = (line: string) => {
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
    options.onLine?.(line);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", take);
  try {
    const exitCode = await new Promise<number>((resolve) => {
      child.once("error", () => resolve(127));
      child.once("close", (code) => resolve(code ?? 128));
    });
    options.signal.throwIfAborted();
    return { exitCode, output: lines.join("\n") };
  } finally {
    options.signal.removeEventListener("abort", end);
  }
}

/** Runs a program that must succeed; `purpose` completes "cannot ...". */
export async function mustRun(argv: readonly string[], purpose: string, hint: string, options: RunOptions) {
  const { exitCode, output } = await runProgram(argv, options);
  if (exitCode === 0) return output;
  const detail = output.split("\n").slice(-12).join("\n");
  throw new SetupError(`cannot ${purpose}: ${argv[0]} exited with ${exitCode}\n${detail}`, hint);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGTERM");
  } catch (error) {
    // The group ended by itself in this moment.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

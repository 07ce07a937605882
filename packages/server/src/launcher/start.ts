import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { AtollError } from "../error.ts";

export interface StartOptions {
  readonly socketPath: string;
  readonly binary: string;
  readonly pidfile: string;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
}

const startLimitMs = 10_000;
/** Exit code of a launcher that found another one on the socket. */
const anotherAnswers = 3;

/** Starts a launcher and returns when it serves. @throws AtollError with the end of its log */
export async function startLauncher({ socketPath, binary, pidfile, logFile, signal }: StartOptions): Promise<void> {
  const log = await open(logFile, "a", 0o600);
  try {
    const argv = ["serve", "--detach", "--socket", socketPath, "--pidfile", pidfile];
    const limit = AbortSignal.any([AbortSignal.timeout(startLimitMs), ...(signal ? [signal] : [])]);
    const child = spawn(binary, argv, { stdio: ["ignore", "ignore", log.fd], cwd: "/", signal: limit });
    const [code] = await once(child, "exit", { signal: limit });
    if (code !== 0 && code !== anotherAnswers) throw await startFailed(logFile, `exit code ${code}`);
  } catch (error) {
    if (error instanceof AtollError) throw error;
    throw await startFailed(logFile, error instanceof Error ? error.message : String(error), error);
  } finally {
    await log.close();
  }
}

async function startFailed(logFile: string, reason: string, cause?: unknown): Promise<AtollError> {
  const last = (await readFile(logFile, "utf8")).trim().split("\n").at(-1);
  return new AtollError("unavailable", `cannot start the launcher: ${last || reason}`, `Its log is ${logFile}.`, cause);
}

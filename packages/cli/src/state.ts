/** What this machine's server leaves in its state directory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface ServerFile {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  readonly startedAt: string;
}

export function stateDirectory(): string {
  return process.env.ATOLL_STATE_DIR || "/var/lib/atoll";
}

export function serverLog(): string {
  return join(stateDirectory(), "log/server.log");
}

/** What server.json says, as long as its process exists. */
export function runningServer(): ServerFile | undefined {
  const server = readServerFile();
  return server && isAlive(server.pid) ? server : undefined;
}

function readServerFile(): ServerFile | undefined {
  try {
    return JSON.parse(readFileSync(join(stateDirectory(), "server.json"), "utf8"));
  } catch (error) {
    // Not there, or not readable for this user: the SDK says so when it comes to it.
    if (error instanceof SyntaxError || "code" in (error as object)) return undefined;
    throw error;
  }
}

/** Whether the process runs; one that has ended and only waits for its parent to take notice does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    // proc(5): the state follows the program's name, which is in parentheses and may hold any character.
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // Gone since, or a system without /proc: the signal above has told what can be told.
    return false;
  }
}

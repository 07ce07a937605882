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

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

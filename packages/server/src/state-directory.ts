import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface StateDirectory {
  readonly path: string;
  readonly database: string;
  readonly output: string;
  readonly run: string;
  /** Tells clients where this server listens. */
  publish(address: ServerAddress): void;
  /** Takes the address back and lets another server have the directory. */
  release(): void;
}

export interface ServerAddress {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  readonly startedAt: string;
}

/**
 * Makes the directory if needed and takes it for this process alone.
 * @throws Error when another server has it
 */
export function takeStateDirectory(path: string): StateDirectory {
  const at = (name: string) => join(path, name);
  for (const directory of [path, at("output"), at("run")]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lock(at("lock"), path);
  const address = at("server.json");
  return {
    path,
    database: at("atoll.db"),
    output: at("output"),
    run: at("run"),
    publish: (server) => writeAtomically(address, `${JSON.stringify(server)}\n`, 0o644),
    release: () => {
      rmSync(address, { force: true });
      unlock();
    },
  };
}

/**
 * Node has no flock(2), but SQLite takes fcntl(2) locks, which the kernel drops when the process ends however it ends;
 * a file with a process id in it could not tell a dead owner from another process that got its number.
 */
function lock(file: string, directory: string): () => void {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw new Error(
      `cannot start: another server uses the state directory ${directory}; stop it, or set ATOLL_STATE_DIR to another directory`,
      { cause: error },
    );
  }
  return () => database.close();
}

/** A reader sees the old content or the new one, never half of it. */
export function writeAtomically(path: string, content: string, mode: number): void {
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, path);
}

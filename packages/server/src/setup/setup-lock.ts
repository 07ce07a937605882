/** One set-up at a time in a state directory. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const pollMs = 200;

/** Runs `work` while no other process does so. `onWait` is called once when another one is at it. */
export async function withSetupLock<T>(
  stateDirectory: string,
  signal: AbortSignal,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  // SQLite takes fcntl(2) locks, which the kernel drops however the owner ends; Node has no flock(2) of its own.
  const database = new DatabaseSync(join(stateDirectory, "setup.lock"), { timeout: 0 });
  try {
    let hasSaid = false;
    while (!tryLock(database)) {
      if (!hasSaid) onWait();
      hasSaid = true;
      await sleep(pollMs, undefined, { signal });
    }
    return await work();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (/locked|busy/i.test(String(error))) return false;
    throw error;
  }
}

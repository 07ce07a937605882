import { copyFileSync, fstatSync, ftruncateSync, readlinkSync } from "node:fs";
import type { Logger } from "pino";

const MiB = 1024 ** 2;

/** A log may grow to this, and as much again is kept of what came before. */
export const mostLogBytes = 32 * MiB;
const checkEveryMs = 60_000;

/**
 * Keeps the file small that a descriptor appends to (the log of a server in the background; a terminal, a pipe or a journal is left alone).
 * @returns releases the timer
 */
export function limitLogFile(fd: number, log: Logger): Disposable {
  const check = () => {
    try {
      turnOver(fd, mostLogBytes);
    } catch (error) {
      log.error({ err: error }, "cannot keep the log small; trying again");
    }
  };
  const timer = setInterval(check, checkEveryMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Moves what a file holds to the same name with `.1` once it is larger than `most` bytes. In one turn of the event loop, so that no line that
 * this process writes is lost in between, and by a copy, since whoever started it has the file open too.
 */
export function turnOver(fd: number, most: number): boolean {
  const found = fstatSync(fd);
  if (!found.isFile() || found.size <= most) return false;
  copyFileSync(`/proc/self/fd/${fd}`, `${readlinkSync(`/proc/self/fd/${fd}`)}.1`);
  ftruncateSync(fd, 0);
  return true;
}

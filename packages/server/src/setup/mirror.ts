/** Mirrors of packages fail now and then for a moment: behind one name are many machines, and proxies on the way. */
import { setTimeout as sleep } from "node:timers/promises";
import { SetupError } from "./setup-error.ts";

const pausesMs = [2_000, 8_000];
const momentary =
  /Failed to fetch|Unable to fetch|Temporary failure|Could not connect|Connection (failed|timed out)|Hash Sum mismatch|NOSPLIT|Unable to locate package/;
/** What a mirror says of a suite that it does not have. */
const lasting = /does not have a Release file|404 +Not Found/;

/** Does what fetches packages, and does it again after a pause when it was the mirror that failed. */
export async function despiteMirrors<T>(fetch: () => Promise<T>, signal: AbortSignal, pauses = pausesMs): Promise<T> {
  for (const pauseMs of pauses) {
    try {
      return await fetch();
    } catch (error) {
      signal.throwIfAborted();
      if (!isMomentary(error)) throw error;
    }
    await sleep(pauseMs, undefined, { signal });
  }
  return fetch();
}

function isMomentary(error: unknown): boolean {
  return error instanceof SetupError && momentary.test(error.message) && !lasting.test(error.message);
}

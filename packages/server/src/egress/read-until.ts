import type { Duplex } from "node:stream";

/**
 * Reads until enough has arrived to decide something, and puts all of it back then.
 * @param decide is given all bytes so far; undefined when they are not enough. It sets the limit of their number
 * @returns undefined when the stream ends or the time is over before
 */
export function readUntil<T>(
  stream: Duplex,
  limitMs: number,
  decide: (bytes: Buffer) => T | undefined,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const done = (decision: T | undefined) => {
      clearTimeout(limit);
      stream.off("readable", look);
      stream.off("end", gone);
      stream.off("close", gone);
      if (decision !== undefined) stream.unshift(bytes);
      resolve(decision);
    };
    const gone = () => done(undefined);
    const look = () => {
      const more: Buffer | null = stream.read();
      if (more === null) return;
      bytes = Buffer.concat([bytes, more]);
      const decision = decide(bytes);
      if (decision !== undefined) done(decision);
    };
    const limit = setTimeout(gone, limitMs);
    stream.on("readable", look);
    stream.once("end", gone);
    stream.once("close", gone);
    look();
  });
}

import type { Duplex } from "node:stream";

const limitMs = 5000;

/**
 * Lets the last words to a client arrive, which what it sends meanwhile would have lost in a reset, and then waits for it no longer.
 */
export function leave(client: Duplex): void {
  client.on("error", () => client.destroy());
  client.resume();
  const limit = setTimeout(() => client.destroy(), limitMs);
  client.once("close", () => clearTimeout(limit));
}

/** The log of a sandbox's network, as a table. Pure. */
import type { NetworkLogEntry } from "@atoll/sdk";

export const networkLogHead = ["LAST", "VERDICT", "DESTINATION", "ADDRESS", "COUNT", "SENT", "RECEIVED", "NOTE"];

export function networkLogCells(entry: NetworkLogEntry): string[] {
  const { destination, port, address, count, sentBytes, receivedBytes, lastAt, verdict, reason, secret, protocol } =
    entry;
  const where = protocol === "dns" ? destination : `${destination || "-"}:${port}`;
  const note = reason ?? (secret === undefined ? "" : `secret ${secret}`);
  return [lastAt, verdict, where, address ?? "-", `${count}`, `${sentBytes}`, `${receivedBytes}`, note];
}

/** Lines of output with the time at which each came. */
import type { Client } from "./client.ts";
import { InvalidError } from "./errors.ts";

export interface OutputLogOptions {
  /** One of the two streams; both when absent. */
  readonly stream?: "stdout" | "stderr" | undefined;
  /** Only what came from then on. */
  readonly since?: Date | undefined;
  /** Only what came before. */
  readonly until?: Date | undefined;
  /** Only lines that have this in them. */
  readonly search?: string | undefined;
  /** Most entries, 20,000 at most; the newest count. 1000 when absent. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OutputLogEntry {
  /** Accurate to a tenth of a second. */
  readonly at: Date;
  readonly stream: "stdout" | "stderr";
  /** A line with its line feed, if it has one; a line of more than 64 KiB becomes several entries. */
  readonly text: string;
}

interface OfProcess {
  readonly sandboxId: string;
  readonly processId: string;
}

/** Oldest first. */
export async function readLog(client: Client, params: OfProcess, options: OutputLogOptions): Promise<OutputLogEntry[]> {
  const { stream, since, until, search, limit, signal } = options;
  const query = { stream, since: instant("since", since), until: instant("until", until), search, limit };
  const { items } = await client.request("readLog", { params, query, signal });
  return items.map(({ at, ...entry }) => ({ at: new Date(at), ...entry }));
}

function instant(name: string, date: Date | undefined): string | undefined {
  if (date === undefined) return undefined;
  if (Number.isNaN(date.getTime()))
    throw new InvalidError(`cannot read the log: ${name} is no date`, {
      code: "invalid_argument",
      hint: "Give it as new Date(...).",
    });
  return date.toISOString();
}

import type { IncomingHttpHeaders } from "node:http2";
import { StatusError } from "./status.ts";

/** What is known of a call besides its messages. */
export interface Call {
  readonly metadata: IncomingHttpHeaders;
  /** Aborted when the client goes away, its deadline passes, or the server stops. */
  readonly signal: AbortSignal;
  /** Whether it came over TLS. */
  readonly isEncrypted: boolean;
}

/** One value of the metadata, or the empty string. The Go client says some twice, which Node joins with commas. */
export function metadataOf({ metadata }: Call, name: string): string {
  const value = metadata[name];
  return typeof value === "string" ? (value.split(", ", 1)[0] ?? "") : "";
}

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const longestTimerMs = 2 ** 31 - 1;

/** Reads a grpc-timeout: up to eight digits and a unit. Undefined when there is none. */
export function timeoutMsOf(text: string | string[] | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(text)) ?? [];
  if (digits === undefined)
    throw new StatusError("invalidArgument", `cannot read the grpc-timeout ${JSON.stringify(text)}`);
  return Math.min(Math.ceil(Number(digits) * (unitsMs[unit ?? ""] ?? 0)), longestTimerMs);
}

/** An operation and its input as the parts of an HTTP request. */
import { type OperationName, operations } from "./generated/api.ts";

export interface AnyInput {
  readonly params?: { readonly [name: string]: string } | undefined;
  readonly query?: { readonly [name: string]: unknown } | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Not sent again when its answer is lost: done twice, it would be something else. */
  readonly isOnce?: true | undefined;
}

export type Headers = { readonly [name: string]: string };

/** The path and query of a request. Parameters are escaped, so an id with a slash cannot name another operation. */
export function requestPath(name: OperationName, input: Pick<AnyInput, "params" | "query">): string {
  const path = operations[name].path.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(input.params?.[key] ?? ""));
  if (!input.query) return path;
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(input.query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) query.append(key, String(item));
    }
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

export function requestHeaders(name: OperationName, input: AnyInput): Headers {
  const headers: Record<string, string> = {};
  if (isRaw(input.body)) headers["content-type"] = "application/octet-stream";
  else if (input.body !== undefined) headers["content-type"] = "application/json";
  // One key for all attempts: the server gives the first attempt's answer to each.
  if ("isIdempotent" in operations[name]) headers["idempotency-key"] = randomKey();
  return headers;
}

/** `crypto.randomUUID` is missing in browsers on plain http, `getRandomValues` is not. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export type RawBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

function isRaw(body: unknown): body is RawBody {
  return body instanceof Uint8Array || body instanceof ReadableStream;
}

export function requestBody(body: unknown): string | RawBody | null {
  if (body === undefined) return null;
  return isRaw(body) ? body : JSON.stringify(body);
}

import { type ErrorBody, type ErrorCode, errorKinds } from "@atoll/protocol";
import { AtollError, fullDisk } from "../error.ts";

export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
}

/** Any failure in the one shape that every answer of 400 and above has. */
export function errorAnswer(error: unknown, requestId: string): ErrorAnswer {
  const known = knownError(error);
  const { code, message, hint } = known;
  return { status: known.status, body: { error: { code, message, hint, requestId } } };
}

export function knownError(error: unknown): AtollError {
  if (error instanceof AtollError) return error;
  const full = fullDisk(error, "answer the request");
  if (full) return full;
  const { validation, statusCode, message } = error as {
    readonly validation?: readonly unknown[];
    readonly statusCode?: number;
    readonly message?: string;
  };
  if (validation) return new AtollError("invalid_argument", `cannot accept the request: ${message}`);
  if (statusCode === 413)
    return new AtollError("payload_too_large", "cannot accept the request: the body is too large");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AtollError("invalid_argument", `cannot read the request: ${message}`);
  }
  return new AtollError("internal", "cannot answer the request: something unexpected happened");
}

/** The same over a bare socket, for an upgrade that is refused. */
export function rawErrorAnswer(error: unknown, requestId: string): string {
  const { status, body } = errorAnswer(error, requestId);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${status}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(text)}`,
    `x-request-id: ${requestId}`,
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${text}`;
}

export function statusOf(code: ErrorCode): number {
  return errorKinds[code].status;
}

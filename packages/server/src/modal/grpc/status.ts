import type { ErrorCode } from "@atoll/protocol";
import { AtollError } from "../../error.ts";

/** Status codes of gRPC: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const grpcCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** A failure whose status differs from what its kind has elsewhere. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;

  constructor(code: keyof typeof grpcCodes, message: string) {
    super(message);
    this.code = grpcCodes[code];
  }
}

/**
 * Clients repeat a call that ended with DEADLINE_EXCEEDED, UNAVAILABLE, CANCELLED, INTERNAL or UNKNOWN, so a failure that would only
 * repeat itself has none of these.
 */
const byHttpStatus: Readonly<Record<number, number>> = {
  400: grpcCodes.invalidArgument,
  401: grpcCodes.unauthenticated,
  403: grpcCodes.permissionDenied,
  404: grpcCodes.notFound,
  405: grpcCodes.unimplemented,
  409: grpcCodes.failedPrecondition,
  413: grpcCodes.resourceExhausted,
  416: grpcCodes.failedPrecondition,
  422: grpcCodes.failedPrecondition,
  429: grpcCodes.resourceExhausted,
  501: grpcCodes.unimplemented,
  503: grpcCodes.unavailable,
  504: grpcCodes.deadlineExceeded,
  507: grpcCodes.resourceExhausted,
};

const byCode: Partial<Record<ErrorCode, number>> = {
  conflict: grpcCodes.alreadyExists,
  file_exists: grpcCodes.alreadyExists,
};

/** Runs what may be refused because something is in use, which is no matter of names that are taken. */
export async function unlessUsed(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof AtollError) || error.code !== "conflict") throw error;
    throw new StatusError("failedPrecondition", statusOf(error).message);
  }
}

/** Any failure as the status of a call. */
export function statusOf(error: unknown): GrpcStatus {
  if (error instanceof StatusError) return error;
  if (error instanceof AtollError) {
    const code = byCode[error.code] ?? byHttpStatus[error.status] ?? grpcCodes.internal;
    return { code, message: error.hint === "" ? error.message : `${error.message}. ${error.hint}` };
  }
  return { code: grpcCodes.internal, message: "cannot answer the call: something unexpected happened" };
}

/** Whether it is to be looked into, rather than an answer like any other. */
export function isDefect(error: unknown): boolean {
  if (error instanceof StatusError) return false;
  return !(error instanceof AtollError) || error.status === 500;
}

/** grpc-message is percent-encoded UTF-8: everything but printable ASCII, and the percent sign itself. */
export function encodedMessage(message: string): string {
  return message.replace(/[^ -~]|%/gu, (text) => encodeURIComponent(text.isWellFormed() ? text : "\ufffd"));
}

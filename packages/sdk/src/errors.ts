/** Every error the SDK throws, said once: one root class, and a subclass where a program would want to act differently. */
import type { ErrorCode, Result } from "./generated/api.ts";

/** The server's codes, and those that arise before or without an answer. */
export type AtollErrorCode =
  | ErrorCode
  | "aborted"
  | "connection_failed"
  | "unexpected_response"
  | "sandbox_timeout"
  | "exec_timeout"
  | "sandbox_terminated"
  | "line_too_long"
  | "output_too_large"
  | "stream_busy"
  | "stdin_full"
  | "file_closed"
  | "local_file"
  | "terminal_unavailable";

export interface AtollErrorDetails {
  readonly code: AtollErrorCode;
  /** What to do next. */
  readonly hint: string;
  /** HTTP status of the answer; undefined when the error did not come from one. */
  readonly status?: number | undefined;
  /** Names the request in the server's log. */
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** The root of everything the SDK throws. */
export class AtollError extends Error {
  readonly code: AtollErrorCode;
  readonly hint: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;

  constructor(message: string, details: AtollErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.hint = details.hint;
    this.status = details.status;
    this.requestId = details.requestId;
  }
}

/** An argument or option that cannot be used. */
export class InvalidError extends AtollError {}
/** No token, or one that is not accepted. */
export class AuthenticationError extends AtollError {}
/** No such app, sandbox, process, secret or image. */
export class NotFoundError extends AtollError {}
/** The name is taken, or what is acted on has already ended. */
export class ConflictError extends AtollError {}
/** The server has no room for it now. */
export class CapacityError extends AtollError {}
/** This server cannot offer it: an isolation level, a GPU, a feature. */
export class UnsupportedError extends AtollError {}
/** The sandbox or the process could not be started. */
export class FailedToStartError extends AtollError {}

export interface FailedStep {
  /** Counted from 1. */
  readonly step: number;
  readonly text: string;
  readonly exitCode: number;
  /** The last lines it wrote. */
  readonly output: readonly string[];
}

/** A step of an image ended with another exit code than 0. */
export class ImageBuildError extends AtollError {
  readonly failed: FailedStep | undefined;
  constructor(message: string, details: AtollErrorDetails & { readonly failed?: FailedStep | undefined }) {
    super(message, details);
    this.failed = details.failed;
  }
}
/** No server answered, or it went away and did not come back. */
export class ConnectionError extends AtollError {}
/** A defect of the server, or an answer that is not Atoll's. */
export class ServerError extends AtollError {}
/** The call's `signal` was aborted; its reason is the `cause`. */
export class AbortedError extends AtollError {}
/** A time limit has passed. */
export class TimeoutError extends AtollError {}

/** An operation on files of a sandbox failed; the subclasses say how. */
export class SandboxFilesystemError extends AtollError {}
/** There is no such file or directory. */
export class SandboxFilesystemNotFoundError extends SandboxFilesystemError {}
/** It is a directory, and must not be one. */
export class SandboxFilesystemIsADirectoryError extends SandboxFilesystemError {}
/** It, or something on the way to it, is not a directory. */
export class SandboxFilesystemNotADirectoryError extends SandboxFilesystemError {}
/** Something is there already. */
export class SandboxFilesystemPathAlreadyExistsError extends SandboxFilesystemError {}
/** The user may not do that. */
export class SandboxFilesystemPermissionError extends SandboxFilesystemError {}
/** The directory has something in it. */
export class SandboxFilesystemDirectoryNotEmptyError extends SandboxFilesystemError {}
/** The sandbox's disk is full. */
export class SandboxFilesystemNoSpaceError extends SandboxFilesystemError {}
/** That part of the sandbox's file system cannot be written. */
export class SandboxFilesystemReadOnlyError extends SandboxFilesystemError {}

/** The sandbox reached its lifetime or idle limit. */
export class SandboxTimeoutError extends TimeoutError {
  readonly result: Result;
  constructor(message: string, result: Result) {
    super(message, { code: "sandbox_timeout", hint: "Raise timeoutMs or idleTimeoutMs of Sandbox.create." });
    this.result = result;
  }
}

/** The process reached the time limit that was given to exec. */
export class ExecTimeoutError extends TimeoutError {
  readonly result: Result;
  constructor(message: string, result: Result) {
    super(message, { code: "exec_timeout", hint: "Raise timeoutMs of exec." });
    this.result = result;
  }
}

/** Someone terminated the sandbox. */
export class SandboxTerminatedError extends AtollError {
  readonly result: Result;
  constructor(message: string, result: Result) {
    super(message, {
      code: "sandbox_terminated",
      hint: "Create a new sandbox, or pass raiseOnTermination: false to get the result instead.",
    });
    this.result = result;
  }
}

type ErrorClass = new (message: string, details: AtollErrorDetails) => AtollError;

const classes: { readonly [code in ErrorCode]: ErrorClass } = {
  invalid_argument: InvalidError,
  unauthenticated: AuthenticationError,
  not_found: NotFoundError,
  method_not_allowed: InvalidError,
  conflict: ConflictError,
  idempotency_mismatch: ConflictError,
  sandbox_finished: ConflictError,
  process_finished: ConflictError,
  offset_out_of_range: InvalidError,
  payload_too_large: InvalidError,
  capacity: CapacityError,
  isolation_unavailable: UnsupportedError,
  gpu_unavailable: UnsupportedError,
  unsupported: UnsupportedError,
  build_failed: ImageBuildError,
  failed_to_start: FailedToStartError,
  file_not_found: SandboxFilesystemNotFoundError,
  is_a_directory: SandboxFilesystemIsADirectoryError,
  not_a_directory: SandboxFilesystemNotADirectoryError,
  file_exists: SandboxFilesystemPathAlreadyExistsError,
  permission_denied: SandboxFilesystemPermissionError,
  not_empty: SandboxFilesystemDirectoryNotEmptyError,
  no_space: SandboxFilesystemNoSpaceError,
  read_only: SandboxFilesystemReadOnlyError,
  filesystem_error: SandboxFilesystemError,
  timeout: TimeoutError,
  unavailable: ConnectionError,
  internal: ServerError,
};

/** The error for an answer whose status is 400 or above. */
export function errorFromAnswer(status: number, body: string, requestId: string | undefined): AtollError {
  const answer = parseErrorBody(body);
  if (!answer) return unexpectedAnswer(status, body, requestId);
  const ErrorClass = classes[answer.code] ?? ServerError;
  return new ErrorClass(answer.message, { ...answer, status, requestId: answer.requestId ?? requestId });
}

/** The error for a code that came in a stream rather than as an answer. */
export function errorFromCode(code: string, message: string, hint: string): AtollError {
  const ErrorClass = Object.hasOwn(classes, code) ? classes[code as ErrorCode] : ServerError;
  return new ErrorClass(message, { code: code as ErrorCode, hint });
}

/** The error that a part of an answer is; undefined when it is none. */
export function knownError(error: unknown): AtollError | undefined {
  if (!isAnsweredError(error)) return undefined;
  const ErrorClass = classes[error.code] ?? ServerError;
  return new ErrorClass(error.message, error);
}

interface AnsweredError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly requestId?: string;
}

function parseErrorBody(body: string): AnsweredError | undefined {
  try {
    const error: unknown = JSON.parse(body)?.error;
    return isAnsweredError(error) ? error : undefined;
  } catch {
    // Not JSON: a proxy answered, or something that is not Atoll.
    return undefined;
  }
}

function isAnsweredError(value: unknown): value is AnsweredError {
  return (
    typeof value === "object" &&
    value !== null &&
    ["code", "message", "hint"].every((field) => typeof (value as Record<string, unknown>)[field] === "string")
  );
}

function unexpectedAnswer(status: number, body: string, requestId: string | undefined): AtollError {
  const start = body.slice(0, 200).trim();
  return new ServerError(`cannot understand the answer with status ${status}${start ? `: ${start}` : ""}`, {
    code: "unexpected_response",
    hint: "Check that ATOLL_URL is the address of an Atoll server.",
    status,
    requestId,
  });
}

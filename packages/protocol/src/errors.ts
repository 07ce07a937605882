/**
 * Every error the platform can answer with, said once: its HTTP status and what the caller can do about it.
 * A code is stable; a message may be reworded. `retryable` tells a client that the same request may succeed later.
 */
export interface ErrorKind {
  readonly status: number;
  readonly hint: string;
  readonly retryable?: true;
}

export const errorKinds = {
  invalid_argument: { status: 400, hint: "Correct the named field and send the request again." },
  unauthenticated: { status: 401, hint: "Set ATOLL_TOKEN to a token from `atoll token create`." },
  not_found: { status: 404, hint: "List what exists with `atoll ls`, and check ATOLL_URL." },
  method_not_allowed: { status: 405, hint: "See /openapi.json for the methods of each path." },
  conflict: { status: 409, hint: "Choose another name, or look the existing one up by name." },
  idempotency_mismatch: { status: 409, hint: "Use a new Idempotency-Key for a request that differs." },
  sandbox_finished: { status: 409, hint: "Create a new sandbox; `atoll inspect` shows how this one ended." },
  process_finished: { status: 409, hint: "Start a new process with exec." },
  offset_out_of_range: { status: 416, hint: "Read the current size from the process and continue from there." },
  payload_too_large: { status: 413, hint: "Send the data in smaller parts." },
  capacity: {
    status: 429,
    hint: "Terminate sandboxes that are no longer needed, or raise the server's limits.",
    retryable: true,
  },
  isolation_unavailable: { status: 422, hint: "Run `atoll doctor` to see what each isolation level needs." },
  gpu_unavailable: {
    status: 422,
    hint: "Run `atoll doctor` to see which devices the installed CDI specifications offer.",
  },
  unsupported: { status: 501, hint: "See docs/limitations.md for what is offered instead." },
  build_failed: { status: 422, hint: "Correct the step that failed; those before it are cached." },
  failed_to_start: { status: 422, hint: "Read the message and the timeline of `atoll inspect`." },
  file_not_found: { status: 404, hint: "Check the path, or list the directory it lies in." },
  is_a_directory: { status: 409, hint: "Name a file, or use an operation for directories." },
  not_a_directory: { status: 409, hint: "Name a directory; a file or a link stands where one is needed." },
  file_exists: { status: 409, hint: "Choose another path, remove what is there, or allow it to be replaced." },
  permission_denied: { status: 403, hint: "Name another `user`; root may do the most." },
  not_empty: { status: 409, hint: "Remove what is in the directory first, or remove it recursively." },
  no_space: { status: 507, hint: "Remove files in the sandbox, or create it with more diskBytes." },
  read_only: { status: 403, hint: "Write elsewhere: this part of the sandbox cannot be changed." },
  filesystem_error: { status: 422, hint: "The message has the system's own word for it." },
  timeout: { status: 504, hint: "Raise the time limit of the call.", retryable: true },
  unavailable: { status: 503, hint: "The server is starting or stopping; try again in a moment.", retryable: true },
  internal: { status: 500, hint: "This is a defect in Atoll. The server's log has the details under this request id." },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** The body of every response whose status is 400 or above. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    /** Begins with "cannot" and names what could not be done. */
    readonly message: string;
    /** What to do next. */
    readonly hint: string;
    readonly requestId: string;
  };
}

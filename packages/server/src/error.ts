import { type ErrorCode, errorKinds } from "@atoll/protocol";

/** Every failure that a caller is told about. Anything else that is thrown is a defect and answered as `internal`. */
export class AtollError extends Error {
  override readonly name = "AtollError";
  readonly code: ErrorCode;
  readonly hint: string;

  /**
   * @param message begins with "cannot" and names what could not be done
   * @param hint what to do next; the code's own hint when absent
   */
  constructor(code: ErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint ?? errorKinds[code].hint;
  }

  get status(): number {
    return errorKinds[this.code].status;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

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

/** SQLITE_FULL of https://www.sqlite.org/rescode.html. */
const sqliteFull = 13;

/** What a full disk made fail, as an error that says so; undefined for anything else. @param doing completes "cannot ..." */
export function fullDisk(error: unknown, doing: string): AtollError | undefined {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  if (code !== "ENOSPC" && errcode !== sqliteFull) return undefined;
  const hint = "Free space below the state directory; `atoll df` tells what takes it up.";
  return new AtollError("capacity", `cannot ${doing}: the disk is full`, hint, error);
}

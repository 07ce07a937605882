import { AtollError } from "../error.ts";

/** Of one string; a path that the file system walk of init can name has fewer. */
const mostFieldBytes = 64 * 1024;

/**
 * Strings with a NUL behind each, in groups of three: what operations on files answer with (native/PROTOCOL.md). They come from inside a
 * sandbox, where anyone may have written them.
 */
export class Records {
  #pending: Buffer = Buffer.alloc(0);
  #fields: Buffer[] = [];

  /** What is complete now. @throws AtollError filesystem_error for a string that does not end */
  take(bytes: Buffer, most = Number.POSITIVE_INFINITY): Buffer[][] {
    const all = this.#pending.length > 0 ? Buffer.concat([this.#pending, bytes]) : bytes;
    const found: Buffer[][] = [];
    let at = 0;
    for (let end = all.indexOf(0); end >= 0 && found.length < most; end = all.indexOf(0, at)) {
      this.#fields.push(all.subarray(at, end));
      at = end + 1;
      if (this.#fields.length === 3) found.push(this.#fields.splice(0));
    }
    this.#pending = all.subarray(at);
    if (found.length < most && this.#pending.length > mostFieldBytes) throw notUnderstood();
    return found;
  }

  /** What lies behind the last record. */
  get rest(): Buffer {
    return this.#pending;
  }

  /** @throws AtollError filesystem_error when something is left */
  end(): void {
    if (this.#pending.length > 0 || this.#fields.length > 0) throw notUnderstood();
  }
}

export function notUnderstood(): AtollError {
  return new AtollError(
    "filesystem_error",
    "cannot understand what the operation inside the sandbox answered",
    "Something in the sandbox interferes with it; try again in a new sandbox.",
  );
}

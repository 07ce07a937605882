/** Writing to a process's stdin: buffered here, sent by `drain` at byte offsets, so that a repeated write is not doubled. */
import { sleep } from "./abort.ts";
import type { Client } from "./client.ts";
import { ConflictError, InvalidError } from "./errors.ts";

const maxBufferedBytes = 16 * 2 ** 20;
const maxRequestBytes = 256 * 2 ** 10;
/** Between requests while the process does not read what it was sent. */
const fullPauseMs = 50;

export class StdinWriter {
  readonly #client: Client;
  readonly #params: { readonly sandboxId: string; readonly processId: string };
  /** Offset of the first buffered byte; unknown for a process that somebody else may have written to. */
  #offset: number | undefined;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  #hasEof = false;
  #isEofSent = false;
  #lastDrain: Promise<void> = Promise.resolve();

  /** Made by `Sandbox` and `Process`; use their `stdin`. */
  constructor(client: Client, sandboxId: string, processId: string, offset: number | undefined) {
    this.#client = client;
    this.#params = { sandboxId, processId };
    this.#offset = offset;
  }

  /** Buffers text or bytes; `drain` sends them. Throws `InvalidError` once 16 MiB wait for a drain. */
  write(data: string | Uint8Array): void {
    if (this.#hasEof) throw afterEof();
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
    if (this.#bufferedBytes + bytes.length > maxBufferedBytes) throw full();
    this.#buffered.push(bytes);
    this.#bufferedBytes += bytes.length;
  }

  /** The process will read the end of the file after what was written; `drain` sends it. */
  writeEof(): void {
    this.#hasEof = true;
  }

  /** Sends what was written, and waits until the server has accepted it all. */
  drain(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    // One after the other, whatever became of the one before: offsets must not overtake each other.
    const drain = this.#lastDrain.then(
      () => this.#send(options.signal),
      () => this.#send(options.signal),
    );
    this.#lastDrain = drain;
    return drain;
  }

  async #send(signal: AbortSignal | undefined): Promise<void> {
    if (this.#bufferedBytes === 0 && (!this.#hasEof || this.#isEofSent)) return;
    this.#offset ??= await this.#write(0, new Uint8Array(), false, signal);
    while (this.#bufferedBytes > 0 || (this.#hasEof && !this.#isEofSent)) {
      const accepted = await this.#sendNext(this.#offset, signal);
      this.#offset += accepted;
      if (accepted === 0 && this.#bufferedBytes > 0) await sleep(fullPauseMs, signal);
    }
  }

  /** Sends as much as fits a request, and returns how many bytes of it were accepted. */
  async #sendNext(offset: number, signal: AbortSignal | undefined): Promise<number> {
    const bytes = this.#nextBytes();
    const isLast = bytes.length === this.#bufferedBytes;
    const end = await this.#write(offset, bytes, this.#hasEof && isLast, signal);
    const accepted = end - offset;
    if (accepted < 0 || accepted > bytes.length) throw anotherWriter();
    if (accepted === bytes.length && isLast) this.#isEofSent = this.#hasEof;
    this.#discard(accepted);
    return accepted;
  }

  async #write(offset: number, body: Uint8Array, eof: boolean, signal: AbortSignal | undefined): Promise<number> {
    const query = eof ? { offset, eof } : { offset };
    return (await this.#client.request("writeStdin", { params: this.#params, query, body, signal })).offset;
  }

  #nextBytes(): Uint8Array {
    const bytes = new Uint8Array(Math.min(this.#bufferedBytes, maxRequestBytes));
    let length = 0;
    for (const piece of this.#buffered) {
      if (length === bytes.length) break;
      const part = piece.subarray(0, bytes.length - length);
      bytes.set(part, length);
      length += part.length;
    }
    return bytes;
  }

  #discard(count: number): void {
    this.#bufferedBytes -= count;
    let whole = 0;
    for (const piece of this.#buffered) {
      if (piece.length > count) break;
      count -= piece.length;
      whole += 1;
    }
    this.#buffered.splice(0, whole);
    const first = this.#buffered[0];
    if (first && count > 0) this.#buffered[0] = first.subarray(count);
  }
}

function afterEof(): InvalidError {
  return new InvalidError("cannot write to stdin after writeEof", {
    code: "invalid_argument",
    hint: "Write everything before writeEof.",
  });
}

function full(): InvalidError {
  return new InvalidError(`cannot hold more than ${maxBufferedBytes} bytes for stdin`, {
    code: "stdin_full",
    hint: "Call `await stdin.drain()` between writes.",
  });
}

function anotherWriter(): ConflictError {
  return new ConflictError("cannot write to stdin: someone else has written to it in the meantime", {
    code: "conflict",
    hint: "Write to one process's stdin from one place, or get a new handle with Sandbox.fromId.",
  });
}

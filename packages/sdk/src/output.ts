/** Reading stdout and stderr: a cursor over a durable log of bytes. */
import { InvalidError } from "./errors.ts";
import { decodeUtf8, LineBlock, wholeLines } from "./line-block.ts";
import { type OutputAddress, OutputConnection } from "./output-connection.ts";

export interface ReadOptions {
  /** Ends the wait. What had arrived is not lost: the next read has it. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadAllOptions extends ReadOptions {
  /** Most bytes to hold in memory; 256 MiB when absent. */
  readonly maxBytes?: number | undefined;
}

const defaultMaxBytes = 256 * 2 ** 20;
const maxLineBytes = 16 * 2 ** 20;

/**
 * The stdout or stderr of a process, read once from front to back: by line (`for await`), as a whole (`read`, `text`,
 * `bytes`) or in chunks (`toReadableStream`). Each continues where the one before stopped. The server keeps the output, so a
 * lost connection is continued at the same byte, and `from(0)` reads everything again.
 */
export class OutputReader implements AsyncIterable<string> {
  readonly #address: OutputAddress;
  readonly #connection: OutputConnection;
  /** Lines decoded and not all handed out; they come before `#pending`. */
  #block: LineBlock | undefined;
  /** Bytes received and not handed out. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #isReceiving = false;

  /** Made by `Sandbox` and `Process`; use their `stdout` and `stderr`. */
  constructor(address: OutputAddress, offset = 0) {
    this.#address = address;
    this.#connection = new OutputConnection(address, offset);
  }

  /** Offset of the first byte not yet handed out: give it to `from`, in another process too, to continue there. */
  get offset(): number {
    return this.#connection.offset - this.#pendingBytes - (this.#block?.rest().length ?? 0);
  }

  /** A second reader of the same stream that starts at the given byte. */
  from(offset: number): OutputReader {
    return new OutputReader(this.#address, offset);
  }

  /** All that is left as text, once the stream has ended. Invalid UTF-8 becomes U+FFFD. */
  async read(options: ReadAllOptions = {}): Promise<string> {
    return decodeUtf8(await this.bytes(options));
  }

  /** The same as `read`. */
  text(options: ReadAllOptions = {}): Promise<string> {
    return this.read(options);
  }

  /** All that is left as bytes, once the stream has ended. */
  async bytes(options: ReadAllOptions = {}): Promise<Uint8Array> {
    const { signal, maxBytes = defaultMaxBytes } = options;
    this.#unblock();
    while (await this.#receive(signal)) {
      if (this.#pendingBytes > maxBytes) throw this.#tooLarge(maxBytes);
    }
    return this.#takePending();
  }

  /** What is left by line, as it arrives, without the line ends. */
  lines(options: ReadOptions = {}): AsyncIterable<string> {
    return { [Symbol.asyncIterator]: () => this.#iterate(options.signal) };
  }

  [Symbol.asyncIterator](): AsyncIterator<string, undefined> {
    return this.#iterate(undefined);
  }

  /** What is left in chunks, as they arrive; nothing is read ahead. Cancelling it leaves the rest unread. */
  toReadableStream(options: ReadOptions = {}): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.#nextChunk(options.signal);
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        },
        cancel: () => this.#connection.close(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Written out, and not a generator: a line that has already arrived costs one promise. */
  #iterate(signal: AbortSignal | undefined): AsyncIterator<string, undefined> {
    return {
      next: () => {
        const value = this.#block?.take();
        return value === undefined ? this.#nextLine(signal) : Promise.resolve({ done: false, value });
      },
      return: async () => {
        this.#connection.close();
        return { done: true, value: undefined };
      },
    };
  }

  async #nextLine(signal: AbortSignal | undefined): Promise<IteratorResult<string, undefined>> {
    this.#block = await this.#nextBlock(signal);
    const value = this.#block?.take();
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  async #nextBlock(signal: AbortSignal | undefined): Promise<LineBlock | undefined> {
    this.#block = undefined;
    let newest = this.#joinPending();
    for (;;) {
      const length = wholeLines(newest);
      if (length > 0) return this.#takeLines(newest, length);
      if (this.#pendingBytes > maxLineBytes) throw this.#lineTooLong();
      const received = await this.#receive(signal);
      if (!received) return this.#pendingBytes > 0 ? new LineBlock(this.#takePending()) : undefined;
      newest = received;
    }
  }

  /** The block of lines that ends within the newest chunk; what follows stays pending. */
  #takeLines(newest: Uint8Array, length: number): LineBlock {
    this.#pending.pop();
    this.#pending.push(newest.subarray(0, length));
    const block = new LineBlock(this.#takePending());
    if (length < newest.length) this.#putPending(newest.subarray(length));
    return block;
  }

  async #nextChunk(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    this.#unblock();
    if (this.#pendingBytes === 0 && !(await this.#receive(signal))) return undefined;
    return this.#takePending();
  }

  /** Receives one chunk into `#pending` and returns it; undefined at the end of the stream. */
  async #receive(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    if (this.#isReceiving) throw this.#busy();
    this.#isReceiving = true;
    try {
      const chunk = await this.#connection.next(signal);
      if (chunk) this.#putPending(chunk);
      return chunk;
    } finally {
      this.#isReceiving = false;
    }
  }

  #putPending(chunk: Uint8Array): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
  }

  /** Gives lines that were decoded and not handed out back to `#pending`. */
  #unblock(): void {
    const rest = this.#block?.rest();
    this.#block = undefined;
    if (!rest || rest.length === 0) return;
    this.#pending.unshift(rest);
    this.#pendingBytes += rest.length;
  }

  #joinPending(): Uint8Array {
    if (this.#pending.length > 1) this.#pending = [joined(this.#pending, this.#pendingBytes)];
    return this.#pending[0] ?? new Uint8Array();
  }

  #takePending(): Uint8Array {
    const all = this.#pending.length === 1 ? this.#pending[0] : undefined;
    const bytes =
      all ??
      joined(
        this.#pending,
        this.#pending.reduce((sum, chunk) => sum + chunk.length, 0),
      );
    this.#pending = [];
    this.#pendingBytes = 0;
    return bytes;
  }

  #busy(): InvalidError {
    return new InvalidError(`cannot read ${this.#address.stream} twice at the same time`, {
      code: "stream_busy",
      hint: "Wait for the first read to finish, or read with a second reader: stdout.from(0).",
    });
  }

  #tooLarge(maxBytes: number): InvalidError {
    return new InvalidError(`cannot hold more than ${maxBytes} bytes of ${this.#address.stream} in memory`, {
      code: "output_too_large",
      hint: "Read by line or with toReadableStream(), or raise maxBytes.",
    });
  }

  #lineTooLong(): InvalidError {
    return new InvalidError(`cannot read a line of ${this.#address.stream} longer than ${maxLineBytes} bytes`, {
      code: "line_too_long",
      hint: "Read this output with toReadableStream() or bytes().",
    });
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}

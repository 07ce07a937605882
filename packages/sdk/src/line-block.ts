/** Bytes that end with a newline, decoded once and handed out line by line. */
const newline = 0x0a;
/** A byte order mark is output like any other; invalid bytes become U+FFFD. A newline byte is never part of a longer character. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export class LineBlock {
  readonly #bytes: Uint8Array;
  readonly #lines: readonly string[];
  #next = 0;
  /** Where the line number `#located` begins, found only when somebody asks. */
  #position = 0;
  #located = 0;

  /** The bytes end with a newline, except at the end of the stream. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const text = decodeUtf8(bytes);
    const lines = text.includes("\r\n") ? text.split(/\r?\n/) : text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    this.#lines = lines;
  }

  /** The next line without its end, `\n` or `\r\n`; undefined after the last. */
  take(): string | undefined {
    return this.#next < this.#lines.length ? this.#lines[this.#next++] : undefined;
  }

  /** The bytes of the lines not yet taken. */
  rest(): Uint8Array {
    for (; this.#located < this.#next; this.#located++) {
      const end = this.#bytes.indexOf(newline, this.#position);
      this.#position = end < 0 ? this.#bytes.length : end + 1;
    }
    return this.#bytes.subarray(this.#position);
  }
}

/** How many bytes at the start are whole lines. */
export function wholeLines(bytes: Uint8Array): number {
  return bytes.lastIndexOf(newline) + 1;
}

import type { Readable } from "node:stream";
import { StatusError } from "./status.ts";

/** Compressed flag and length, before each message. */
const headBytes = 5;
/** What the clients themselves allow, with room for the fields around 100 MiB of data. */
export const mostMessageBytes = 100 * 1024 * 1024 + 64 * 1024;

/** A message with its head, in one buffer. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, headBytes);
  return frame;
}

/**
 * The messages of a request, as they come. An abort while one is awaited takes the whole call down.
 * @throws StatusError when one is compressed, too large, or cut off
 */
export async function* messagesOf(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const pending = new Pending();
  const giveUp = () => body.destroy();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      pending.add(piece as Buffer);
      for (let message = pending.take(); message; message = pending.take()) yield message;
    }
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
  if (!pending.isEmpty)
    throw new StatusError("invalidArgument", "cannot read the request: its last message is cut off");
}

/** Bytes that came and are not taken yet. */
class Pending {
  #pieces: Buffer[] = [];
  #wanted = headBytes;
  #isHead = true;
  #bytes = 0;

  /** Whether it stands between two messages. */
  get isEmpty(): boolean {
    return this.#isHead && this.#bytes === 0;
  }

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  take(): Buffer | undefined {
    if (this.#isHead) this.#readHead();
    if (this.#isHead || this.#bytes < this.#wanted) return undefined;
    const message = this.#shift(this.#wanted);
    this.#wanted = headBytes;
    this.#isHead = true;
    return message;
  }

  #readHead(): void {
    if (this.#bytes < headBytes) return;
    const head = this.#shift(headBytes);
    if (head[0] !== 0)
      throw new StatusError("unimplemented", "cannot read the request: this server takes messages uncompressed only");
    this.#wanted = head.readUInt32BE(1);
    this.#isHead = false;
    if (this.#wanted > mostMessageBytes) {
      throw new StatusError(
        "resourceExhausted",
        `cannot take a message of ${this.#wanted} bytes: ${mostMessageBytes} are the most`,
      );
    }
  }

  #shift(bytes: number): Buffer {
    const [first = Buffer.alloc(0)] = this.#pieces;
    const all = first.length >= bytes ? first : Buffer.concat(this.#pieces);
    const rest = all.subarray(bytes);
    if (all === first) this.#pieces.shift();
    else this.#pieces = [];
    if (rest.length > 0) this.#pieces.unshift(rest);
    this.#bytes -= bytes;
    return all.subarray(0, bytes);
  }
}

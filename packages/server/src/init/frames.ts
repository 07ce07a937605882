/**
 * Frames of native/PROTOCOL.md: bytes to payloads and back. Everything that is read here was written inside a sandbox and
 * is hostile until it is checked.
 */

/** The other side broke the protocol; nothing further from it can be believed. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const prefixBytes = 4;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is a view of it; one that spans chunks is copied once,
 * into memory of its announced size, so that many tiny chunks cost no more than one large one.
 */
export class FrameDecoder {
  readonly #limit: number;
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixFilled = 0;
  #body: Buffer | undefined;
  #bodyFilled = 0;

  /** @param limit most bytes of type and payload */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The frames that the chunk completes. @throws ProtocolError on an impossible length */
  *decode(chunk: Buffer): Generator<Frame> {
    let rest = chunk;
    while (rest.length > 0) {
      const whole = this.#isBetweenFrames() ? this.#wholeFrame(rest) : undefined;
      if (whole !== undefined) {
        rest = rest.subarray(prefixBytes + whole.length);
        yield frameOf(whole);
        continue;
      }
      rest = rest.subarray(this.#body === undefined ? this.#fillPrefix(rest) : this.#fillBody(this.#body, rest));
      const body = this.#completeBody();
      if (body !== undefined) yield frameOf(body);
    }
  }

  #isBetweenFrames(): boolean {
    return this.#prefixFilled === 0 && this.#body === undefined;
  }

  #wholeFrame(bytes: Buffer): Buffer | undefined {
    if (bytes.length < prefixBytes) return undefined;
    const length = this.#checkedLength(bytes);
    return bytes.length < prefixBytes + length ? undefined : bytes.subarray(prefixBytes, prefixBytes + length);
  }

  #checkedLength(prefix: Buffer): number {
    const length = prefix.readUInt32LE(0);
    if (length === 0 || length > this.#limit) {
      throw new ProtocolError(`cannot accept a frame of ${length} bytes; the limit is ${this.#limit}`);
    }
    return length;
  }

  #fillPrefix(bytes: Buffer): number {
    const taken = bytes.copy(this.#prefix, this.#prefixFilled, 0, prefixBytes - this.#prefixFilled);
    this.#prefixFilled += taken;
    if (this.#prefixFilled === prefixBytes) {
      this.#body = Buffer.allocUnsafe(this.#checkedLength(this.#prefix));
      this.#bodyFilled = 0;
    }
    return taken;
  }

  #fillBody(body: Buffer, bytes: Buffer): number {
    const taken = bytes.copy(body, this.#bodyFilled);
    this.#bodyFilled += taken;
    return taken;
  }

  #completeBody(): Buffer | undefined {
    const body = this.#body;
    if (body === undefined || this.#bodyFilled < body.length) return undefined;
    this.#body = undefined;
    this.#prefixFilled = 0;
    return body;
  }
}

function frameOf(body: Buffer): Frame {
  return { type: body.readUInt8(0), payload: body.subarray(1) };
}

/** Reads the fields of a payload in their order. Every method throws ProtocolError when the payload is too short. */
export class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  /** A u64 that JavaScript can count with: at most 2^53 - 1. */
  offset(): number {
    const value = this.#bytes.readBigUInt64LE(this.#advance(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError(`cannot accept the offset ${value}`);
    return Number(value);
  }

  text(): string {
    const length = this.u32();
    const start = this.#advance(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  list<T>(itemBytes: number, item: () => T): T[] {
    const count = this.u32();
    if (count > this.#left() / itemBytes) throw new ProtocolError(`cannot accept a list of ${count} items`);
    return Array.from({ length: count }, item);
  }

  /** All that is left, as a view. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#advance(this.#left()));
  }

  /** @throws ProtocolError when bytes are left */
  end(): void {
    if (this.#left() > 0) throw new ProtocolError(`cannot accept ${this.#left()} bytes behind a payload`);
  }

  #left(): number {
    return this.#bytes.length - this.#at;
  }

  #advance(count: number): number {
    const start = this.#at;
    if (count > this.#left()) throw new ProtocolError("cannot accept a payload that is too short");
    this.#at += count;
    return start;
  }
}

/** Writes a frame. Values that do not fit their field throw RangeError. */
export class FrameWriter {
  readonly #parts: Buffer[] = [];
  #length = 1;

  u8(value: number): this {
    const bytes = Buffer.allocUnsafe(1);
    bytes.writeUInt8(value);
    return this.bytes(bytes);
  }

  u16(value: number): this {
    const bytes = Buffer.allocUnsafe(2);
    bytes.writeUInt16LE(value);
    return this.bytes(bytes);
  }

  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(value);
    return this.bytes(bytes);
  }

  offset(value: number): this {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.bytes(bytes);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    return this.u32(bytes.length).bytes(bytes);
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  bytes(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  /** @throws RangeError when type and payload exceed the limit */
  frame(type: number, limit: number): Buffer {
    if (this.#length > limit)
      throw new RangeError(`cannot send a frame of ${this.#length} bytes; the limit is ${limit}`);
    const header = Buffer.allocUnsafe(prefixBytes + 1);
    header.writeUInt32LE(this.#length);
    header.writeUInt8(type, prefixBytes);
    return Buffer.concat([header, ...this.#parts]);
  }
}

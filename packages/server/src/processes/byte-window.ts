/**
 * A run of consecutive bytes of a stream, known by their offsets: appended at the end, dropped from the front.
 * Small pieces are copied together, because a kept view of ten bytes would keep the whole 64 KiB read buffer it lies in.
 */
export class ByteWindow {
  readonly #pieces: Buffer[] = [];
  #start: number;
  #end: number;
  #slab = Buffer.alloc(0);
  #slabUsed = 0;

  /** @param offset where the first byte to be appended lies in the stream */
  constructor(offset: number) {
    this.#start = offset;
    this.#end = offset;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (bytes.length >= smallBytes) this.#pieces.push(isTight(bytes) ? bytes : Buffer.from(bytes));
    else this.#appendSmall(bytes);
    this.#end += bytes.length;
  }

  /** The pieces from `offset`, `mostBytes` at most. Empty when the offset lies outside. */
  from(offset: number, mostBytes: number): Buffer[] {
    if (offset < this.#start || offset >= this.#end) return [];
    const found: Buffer[] = [];
    let at = this.#start;
    let left = mostBytes;
    for (const piece of this.#pieces) {
      const skip = Math.max(0, offset - at);
      at += piece.length;
      if (skip >= piece.length) continue;
      const part = piece.subarray(skip, Math.min(piece.length, skip + left));
      found.push(part);
      left -= part.length;
      if (left === 0) break;
    }
    return found;
  }

  /** Whole pieces below the offset go; a piece that it lies in stays. */
  dropBefore(offset: number): void {
    let count = 0;
    for (const piece of this.#pieces) {
      if (this.#start + piece.length > offset) break;
      this.#start += piece.length;
      count += 1;
    }
    this.#pieces.splice(0, count);
    if (this.#pieces.length === 0) this.#slab = Buffer.alloc(0);
  }

  #appendSmall(bytes: Buffer): void {
    if (this.#slab.length - this.#slabUsed < bytes.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#slabUsed = 0;
    }
    const from = this.#slabUsed;
    this.#slab.set(bytes, from);
    this.#slabUsed += bytes.length;
    const last = this.#pieces.at(-1);
    const continues = last?.buffer === this.#slab.buffer && last.byteOffset + last.length === from;
    if (continues) this.#pieces.pop();
    const start = continues ? (last?.byteOffset ?? from) : from;
    this.#pieces.push(this.#slab.subarray(start, this.#slabUsed));
  }
}

const smallBytes = 4096;
const slabBytes = 16_384;

/** Whether the view keeps little more memory than it shows. */
function isTight(bytes: Buffer): boolean {
  return bytes.length * 2 >= bytes.buffer.byteLength;
}

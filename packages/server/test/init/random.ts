/** Repeatable randomness for fuzzing: the same seed gives the same run (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below the bound. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("cannot pick from nothing");
    return items[this.below(items.length)] as T;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  /** A copy with a few bytes changed, cut off, doubled or added. */
  mutated(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes);
    const at = this.below(copy.length);
    switch (this.below(5)) {
      case 0:
        copy[at] = this.below(256);
        return copy;
      case 1:
        return copy.subarray(0, at);
      case 2:
        return Buffer.concat([copy.subarray(0, at), this.bytes(1 + this.below(8)), copy.subarray(at)]);
      case 3:
        return Buffer.concat([copy, copy.subarray(at)]);
      default:
        copy[at] = this.pick([0, 1, 0x7f, 0x80, 0xff]);
        if (copy.length >= 4) copy.writeUInt32LE(this.pick([0, 1, copy.length - 4, 1 << 20, 0xffffffff]), 0);
        return copy;
    }
  }
}

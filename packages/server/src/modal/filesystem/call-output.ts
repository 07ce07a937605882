import { Change } from "../../change.ts";
import { AtollError } from "../../error.ts";
import { ByteWindow } from "../../processes/byte-window.ts";

/** Not yet taken by a reader; whoever writes more waits. */
const windowBytes = 256 * 1024;
/** Kept behind the furthest reader, for one that continues after a lost connection. */
const keptBytes = 1024 * 1024;
const pieceBytes = 64 * 1024;

/** What is read from an offset to the end. */
export interface ReadableOutput {
  read(offset: number, isFollowing: boolean, signal: AbortSignal): AsyncIterable<Buffer>;
}

/** One stream of output of an operation, in memory. */
export class CallOutput implements ReadableOutput {
  readonly #window = new ByteWindow(0);
  readonly #changed = new Change();
  #taken = 0;
  #isEnded = false;

  /** Bytes held. */
  get size(): number {
    return this.#window.end - this.#window.start;
  }

  append(bytes: Buffer): void {
    this.#window.append(bytes);
    this.#changed.announce();
  }

  /** Appends once readers have taken enough, and forgets what they have had for long. */
  async flow(bytes: Buffer, signal: AbortSignal): Promise<void> {
    await this.#changed.until(() => this.#window.end - this.#taken < windowBytes, signal);
    this.#window.dropBefore(this.#taken - keptBytes);
    this.append(bytes);
  }

  end(): void {
    this.#isEnded = true;
    this.#changed.announce();
  }

  async *read(offset: number, _isFollowing: boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
    for (let at = offset; ; ) {
      await this.#changed.until(() => this.#window.end > at || this.#isEnded, signal);
      if (at < this.#window.start) throw new AtollError("offset_out_of_range", `cannot read at ${at}: it is forgotten`);
      const pieces = this.#window.from(at, pieceBytes);
      if (pieces.length === 0) return;
      for (const piece of pieces) {
        yield piece;
        at += piece.length;
      }
      this.#taken = Math.max(this.#taken, at);
      this.#changed.announce();
    }
  }
}

/** The bytes of one stdin that were sent and not acknowledged: kept, so that a lost connection loses none of them. */
import { ProtocolError } from "./frames.ts";
import { frameFor, stdinWindow } from "./messages.ts";

export class StdinWindow {
  readonly #process: number;
  #chunks: { readonly offset: number; readonly bytes: Buffer }[] = [];
  #acked = 0;
  #sent = 0;
  #end: number | undefined;
  #isClosed = false;
  /** A process that an earlier daemon started may have any amount of stdin; its first acknowledgement says how much. */
  #isPositionKnown: boolean;
  #hasBegun: boolean;
  /** After RESUME one acknowledgement comes without progress. */
  #mayRepeat = false;

  /** @param isNew whether it belongs to a process that has received nothing yet */
  constructor(process: number, isNew: boolean) {
    this.#process = process;
    this.#isPositionKnown = isNew;
    this.#hasBegun = isNew;
  }

  /**
   * Takes bytes at an offset; those that were taken before are skipped.
   * @returns the frame to send, or undefined when there is nothing new
   * @throws RangeError on a gap, behind the end, or with more than 64 KiB unacknowledged
   */
  write(offset: number, bytes: Buffer): Buffer | undefined {
    if (this.#isClosed) return undefined;
    this.#begin(offset);
    if (offset > this.#sent) throw new RangeError(`cannot write stdin at ${offset}: it ends at ${this.#sent}`);
    const fresh = bytes.subarray(Math.min(this.#sent - offset, bytes.length));
    if (fresh.length === 0) return undefined;
    if (this.#end !== undefined) throw new RangeError("cannot write stdin behind its end");
    if (this.#sent + fresh.length - this.#acked > stdinWindow) {
      throw new RangeError(`cannot have more than ${stdinWindow} bytes of stdin unacknowledged`);
    }
    const chunk = { offset: this.#sent, bytes: fresh };
    this.#chunks.push(chunk);
    this.#sent += fresh.length;
    return frameFor.stdin(this.#process, chunk.offset, chunk.bytes);
  }

  /** @returns the frame to send, or undefined when it was ended before */
  close(offset: number): Buffer | undefined {
    if (this.#isClosed || this.#end !== undefined) return undefined;
    this.#begin(offset);
    if (offset !== this.#sent) throw new RangeError(`cannot end stdin at ${offset}: it ends at ${this.#sent}`);
    this.#end = offset;
    return frameFor.stdinEof(this.#process, offset);
  }

  /** @throws ProtocolError on what was never sent, and on an acknowledgement that says nothing new */
  acknowledge(offset: number, closed: boolean): void {
    if (!this.#isPositionKnown) this.#place(offset);
    if (offset < this.#acked || offset > this.#sent || (this.#isClosed && !closed)) {
      throw new ProtocolError(`cannot accept stdin acknowledged at ${offset}`);
    }
    if (offset === this.#acked && closed === this.#isClosed && !this.#mayRepeat) {
      throw new ProtocolError("cannot accept an acknowledgement of stdin without progress");
    }
    this.#mayRepeat = false;
    this.#acked = offset;
    this.#isClosed = closed;
    this.#chunks = closed ? [] : this.#chunks.filter((chunk) => chunk.offset + chunk.bytes.length > offset);
  }

  /** What to send again on a new connection. init skips what it has. */
  resume(): Buffer[] {
    this.#mayRepeat = true;
    if (this.#isClosed) return [];
    const frames = this.#chunks.map((chunk) => frameFor.stdin(this.#process, chunk.offset, chunk.bytes));
    return this.#end === undefined ? frames : [...frames, frameFor.stdinEof(this.#process, this.#end)];
  }

  /** Until init has said where it is, the first write tells where the caller believes it to be. */
  #begin(offset: number): void {
    if (this.#hasBegun) return;
    this.#acked = offset;
    this.#sent = offset;
    this.#hasBegun = true;
  }

  #place(offset: number): void {
    this.#acked = offset;
    this.#sent = Math.max(this.#sent, offset);
    this.#hasBegun = true;
    this.#isPositionKnown = true;
  }
}

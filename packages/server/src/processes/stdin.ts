import { Change } from "../change.ts";
import { AtollError } from "../error.ts";

/** Most bytes on their way to init that it has not written into the pipe yet (native/PROTOCOL.md). */
export const stdinWindowBytes = 64 * 1024;
/** Small acknowledgements would otherwise become small frames. */
const worthwhileBytes = stdinWindowBytes / 2;

/** Towards init. It keeps what was not acknowledged, and sends it again after a lost connection. */
export interface StdinSink {
  write(offset: number, bytes: Buffer): void;
  close(offset: number): void;
}

/** Standard input of one process, written at offsets, so that a repeated write is not doubled. */
export class Stdin {
  readonly #sink: StdinSink;
  readonly #changed = new Change();
  #taken = 0;
  #acknowledged = 0;
  readonly #isNew: boolean;
  #isKnown: boolean;
  #isEnded = false;
  #isClosed = false;
  #line: Promise<unknown> = Promise.resolve();

  /** @param isNew false for a process of an earlier daemon, of which only init knows how much it has */
  constructor(sink: StdinSink, isNew: boolean) {
    this.#sink = sink;
    this.#isNew = isNew;
    this.#isKnown = isNew;
  }

  /** Whether no more is taken. */
  get isClosed(): boolean {
    return this.#isClosed || this.#isEnded;
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#taken;
  }

  /**
   * Takes bytes and settles once the process's pipe has them all; how fast that goes is the back-pressure.
   * @param offset where the bytes begin; undefined continues at the end
   * @param eof closes stdin after them
   * @returns bytes of stdin taken so far
   * @throws AtollError offset_out_of_range for a gap, process_finished when nobody reads any more
   */
  write(offset: number | undefined, source: AsyncIterable<Buffer>, eof: boolean, signal: AbortSignal): Promise<number> {
    const turn = this.#line.then(() => this.#writeInTurn(offset, source, eof, signal));
    this.#line = turn.catch(() => undefined);
    return turn;
  }

  /** @throws Error when init acknowledges what it was never sent */
  acknowledge(offset: number, isClosed: boolean): void {
    if (offset > this.offset && this.#isNew) throw new Error(`stdin acknowledged at ${offset} of ${this.offset}`);
    // An earlier daemon may have sent bytes that init writes into the pipe only now.
    if (offset > this.#taken) this.#taken = offset;
    this.#isKnown = true;
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    if (isClosed) this.close();
    this.#changed.announce();
  }

  /** Nobody reads any more. */
  close(): void {
    this.#isClosed = true;
    this.#changed.announce();
  }

  async #writeInTurn(
    offset: number | undefined,
    source: AsyncIterable<Buffer>,
    eof: boolean,
    signal: AbortSignal,
  ): Promise<number> {
    await this.#changed.until(() => this.#isKnown || this.#isClosed, signal);
    let at = offset ?? this.offset;
    for await (const bytes of source) {
      await this.#take(at, bytes, signal);
      at += bytes.length;
    }
    if (eof) this.#endAt(at);
    await this.#changed.until(() => this.#acknowledged >= at || this.#isClosed, signal);
    if (this.#acknowledged < at) throw this.#closedError();
    return this.offset;
  }

  async #take(offset: number, bytes: Buffer, signal: AbortSignal): Promise<void> {
    if (offset > this.offset) throw gap(offset, this.offset);
    let rest = bytes.subarray(Math.min(bytes.length, this.offset - offset));
    while (rest.length > 0) {
      const enough = Math.min(rest.length, worthwhileBytes);
      await this.#changed.until(() => this.#roomBytes >= enough || this.#isClosed, signal);
      if (this.#isClosed || this.#isEnded) throw this.#closedError();
      const part = rest.subarray(0, this.#roomBytes);
      rest = rest.subarray(part.length);
      const at = this.offset;
      this.#taken += part.length;
      this.#sink.write(at, part);
    }
  }

  #endAt(offset: number): void {
    if (offset > this.offset) throw gap(offset, this.offset);
    if (this.#isEnded || this.#isClosed) return;
    this.#isEnded = true;
    this.#sink.close(this.offset);
  }

  get #roomBytes(): number {
    return stdinWindowBytes - (this.offset - this.#acknowledged);
  }

  #closedError(): AtollError {
    return new AtollError("process_finished", `cannot write to stdin beyond ${this.#acknowledged}: it is closed`);
  }
}

function gap(offset: number, end: number): AtollError {
  return new AtollError(
    "offset_out_of_range",
    `cannot write to stdin at ${offset}: the bytes from ${end} are missing`,
    `Continue at offset ${end}.`,
  );
}

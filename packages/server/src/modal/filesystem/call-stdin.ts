import { Change } from "../../change.ts";
import { Stdin } from "../../processes/stdin.ts";

/** What a client writes into an operation, at offsets as with any process, taken here as it is needed. */
export class CallStdin {
  readonly stdin: Stdin;
  readonly #changed = new Change();
  readonly #pieces: Buffer[] = [];
  #taken = 0;
  #isEnded = false;

  constructor() {
    const write = (_offset: number, bytes: Buffer) => {
      // The view would change with the message it lies in.
      this.#pieces.push(Buffer.from(bytes));
      this.#changed.announce();
    };
    this.stdin = new Stdin({ write, close: () => this.#end() }, true);
  }

  /** The bytes to the end. @param idleMs without any, after which nobody is expected to go on */
  async *bytes(idleMs: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    for (;;) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(idleMs)]);
      await this.#changed.until(() => this.#pieces.length > 0 || this.#isEnded, limit);
      const piece = this.#pieces.shift();
      if (piece === undefined) return;
      yield piece;
      this.#taken += piece.length;
      this.stdin.acknowledge(this.#taken, false);
    }
  }

  /** Settles once there is no more; what is written until then is thrown away. */
  async ended(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#changed.until(() => this.#pieces.length > 0 || this.#isEnded, signal);
      const piece = this.#pieces.shift();
      if (piece === undefined) return;
      this.#taken += piece.length;
      this.stdin.acknowledge(this.#taken, false);
    }
  }

  #end(): void {
    this.#isEnded = true;
    this.#changed.announce();
  }
}

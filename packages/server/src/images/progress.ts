/** How far something is, told now and then. */
import { readFile } from "node:fs/promises";

export type TellProgress = (progress: {
  readonly event: "progress";
  readonly what: string;
  readonly bytes: number;
  readonly of?: number;
}) => void;

const everyMs = 500;

export class ProgressOf {
  readonly #what: string;
  readonly #of: number | undefined;
  readonly #tell: TellProgress;
  #bytes = 0;
  #toldAt = performance.now();

  /** @param of bytes in all, when it is known */
  constructor(what: string, of: number | undefined, tell: TellProgress) {
    this.#what = what;
    this.#of = of;
    this.#tell = tell;
  }

  async *counted(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      this.add(piece.length);
      yield piece;
    }
  }

  add(bytes: number): void {
    this.#reach(this.#bytes + bytes);
  }

  /** Follows a program by what it has read, until it is stopped. */
  followProgram(pid: number): Disposable {
    const look = async () => {
      const text = await readFile(`/proc/${pid}/io`, "utf8").catch(() => ""); // it has ended
      this.#reach(Number(/^rchar: (\d+)$/m.exec(text)?.[1] ?? this.#bytes));
    };
    const timer = setInterval(look, everyMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #reach(bytes: number): void {
    this.#bytes = Math.min(bytes, this.#of ?? bytes);
    const now = performance.now();
    if (now - this.#toldAt < everyMs) return;
    this.#toldAt = now;
    this.#tell({
      event: "progress",
      what: this.#what,
      bytes: this.#bytes,
      ...(this.#of !== undefined && { of: this.#of }),
    });
  }
}

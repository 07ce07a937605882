/** Passes on what is told while something runs. */
import { Change } from "../change.ts";

export class Telling<T> {
  readonly #told: T[] = [];
  readonly #changed = new Change();
  #isOver = false;

  /** Runs `act`; its outcome is the caller's. */
  during<R>(act: (tell: (value: T) => void) => Promise<R>): Promise<R> {
    const tell = (value: T) => {
      this.#told.push(value);
      this.#changed.announce();
    };
    const acting = act(tell).finally(() => {
      this.#isOver = true;
      this.#changed.announce();
    });
    // Whoever waits for it sees the failure; until then it is nobody's.
    acting.catch(() => undefined);
    return acting;
  }

  async *events(signal: AbortSignal): AsyncGenerator<T> {
    for (;;) {
      await this.#changed.until(() => this.#told.length > 0 || this.#isOver, signal);
      yield* this.#told.splice(0);
      if (this.#isOver && this.#told.length === 0) return;
    }
  }
}

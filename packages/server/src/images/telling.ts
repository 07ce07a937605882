/** Passes on what is told while something runs. */
import type { ImageImportEvent } from "@atoll/protocol";
import { Change } from "../change.ts";
import { AtollError, fullDisk, messageOf } from "../error.ts";

type Failed = Extract<ImageImportEvent, { event: "failed" }>;

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

/** What is told while something runs, then its result, or that it failed. @param doing completes "cannot ...", for what is no error of ours */
export async function* toldOf<Event, Result>(
  doing: string,
  act: (tell: (event: Event) => void) => Promise<Result>,
  last: (result: Result) => Event,
  signal: AbortSignal,
): AsyncGenerator<Event | Failed> {
  try {
    const telling = new Telling<Event>();
    const acting = telling.during(act);
    yield* telling.events(signal);
    yield last(await acting);
  } catch (error) {
    if (signal.aborted) throw error;
    const { code, message, hint } = asAtollError(error, doing);
    yield { event: "failed", error: { code, message, hint } };
  }
}

export function asAtollError(error: unknown, doing: string): AtollError {
  if (error instanceof AtollError) return error;
  return fullDisk(error, doing) ?? new AtollError("internal", `cannot ${doing}: ${messageOf(error)}`);
}

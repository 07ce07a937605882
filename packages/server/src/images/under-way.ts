/** One build that is under way: what happened so far, for all who watch it. */
import type { ImageBuildEvent, ImageLogEntry } from "@atoll/protocol";
import { Change } from "../change.ts";

/** Beyond this, a late watcher misses the oldest events; what is kept is bounded. */
const keptEvents = 20_000;

export class UnderWay {
  /** Of the image that it will be, and that a failed one would have been. */
  readonly imageId: string;
  /** What the image is to be called. */
  readonly names = new Set<string>();
  readonly #events: ImageBuildEvent[] = [];
  /** How many of the oldest events are gone. */
  #dropped = 0;
  readonly #changed = new Change();
  readonly #stop = new AbortController();
  #isOver = false;
  #watchers = 0;
  #patienceMs = 0;
  #givesUp: NodeJS.Timeout | undefined;

  constructor(imageId: string) {
    this.imageId = imageId;
  }

  /** Aborted when nobody waits for it any more. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** What is still there. */
  get entries(): readonly ImageLogEntry[] {
    return this.#events.map((event, index) => ({ entry: this.#dropped + index + 1, event }));
  }

  /** Goes on for this long while nobody watches. */
  bePatient(ms: number): void {
    this.#patienceMs = Math.max(this.#patienceMs, ms);
    if (this.#watchers === 0) this.#leave();
  }

  tell(event: ImageBuildEvent): void {
    this.#events.push(event);
    if (this.#events.length > keptEvents) this.#dropped += this.#events.splice(0, keptEvents / 2).length;
    this.#changed.announce();
  }

  /** No event follows. */
  finish(): void {
    this.#isOver = true;
    clearTimeout(this.#givesUp);
    this.#changed.announce();
  }

  /** What comes after that many events, to the end. */
  async *watch(after: number, signal: AbortSignal): AsyncGenerator<ImageLogEntry> {
    this.#watchers += 1;
    clearTimeout(this.#givesUp);
    try {
      for (let at = after; ; ) {
        await this.#changed.until(() => this.#dropped + this.#events.length > at || this.#isOver, signal);
        at = Math.max(at, this.#dropped);
        const event = this.#events[at - this.#dropped];
        if (!event) return;
        at += 1;
        yield { entry: at, event };
      }
    } finally {
      this.#watchers -= 1;
      if (this.#watchers === 0) this.#leave();
    }
  }

  #leave(): void {
    clearTimeout(this.#givesUp);
    if (this.#isOver) return;
    const giveUp = () => this.#stop.abort(new Error("nobody waits for the build any more"));
    if (this.#patienceMs === 0) giveUp();
    else this.#givesUp = setTimeout(giveUp, this.#patienceMs).unref();
  }
}

/** Changes of files in a sandbox, as they happen. */
import type { FileEvent } from "./generated/api.ts";
import { jsonLines } from "./json-lines.ts";

/** Watches until it is closed or what is watched is removed. Made by `sandbox.fs.watch`. */
export class FileWatcher implements AsyncIterable<FileEvent>, AsyncDisposable {
  readonly #events: AsyncGenerator<FileEvent, void, undefined>;
  readonly #abort: AbortController;
  #isClosed = false;

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#events = jsonLines<FileEvent>(body);
    this.#abort = abort;
  }

  /** The events from the beginning of the watch on, once. Leaving the loop closes the watch. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FileEvent, void, undefined> {
    try {
      yield* this.#events;
    } catch (error) {
      if (!this.#isClosed) throw error;
    } finally {
      this.close();
    }
  }

  /** Ends the watch; a loop over its events ends too. */
  close(): void {
    this.#isClosed = true;
    this.#abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

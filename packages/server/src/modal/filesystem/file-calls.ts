import type { FileCall } from "./file-call.ts";

/** Finished ones kept for clients that have not read them yet; the oldest go. */
const keptCalls = 1000;
const keptBytes = 64 * 1024 * 1024;

/** Operations of all sandboxes by the ids that clients gave them. */
export class FileCalls {
  readonly #calls = new Map<string, FileCall>();
  readonly #finished: { readonly key: string; readonly size: number }[] = [];
  #bytes = 0;

  find(sandboxId: string, id: string): FileCall | undefined {
    return this.#calls.get(keyOf(sandboxId, id));
  }

  /** The one of this id, begun now unless it is there. */
  begin(sandboxId: string, id: string, make: () => FileCall): FileCall {
    const key = keyOf(sandboxId, id);
    const known = this.#calls.get(key);
    if (known) return known;
    const call = make();
    this.#calls.set(key, call);
    const endless = new AbortController().signal;
    void call.changed.until(() => call.result !== undefined, endless).then(() => this.#keep(key, call));
    return call;
  }

  #keep(key: string, { size }: FileCall): void {
    this.#finished.push({ key, size });
    this.#bytes += size;
    while (this.#finished.length > keptCalls || (this.#bytes > keptBytes && this.#finished.length > 1)) {
      const oldest = this.#finished.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.size;
      this.#calls.delete(oldest.key);
    }
  }
}

function keyOf(sandboxId: string, id: string): string {
  return `${sandboxId}/${id}`;
}

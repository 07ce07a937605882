/** The bytes of one output stream from an offset on, across lost connections. */
import { abortError, checkAborted, sleep } from "./abort.ts";
import { type Client, failure } from "./client.ts";
import { AtollError } from "./errors.ts";

export interface OutputAddress {
  readonly client: Client;
  readonly sandboxId: string;
  readonly processId: string;
  readonly stream: "stdout" | "stderr";
}

const firstPauseMs = 25;
const longestPauseMs = 1_000;
/** A connection that lived this long was a good one: losing it starts a new count of patience. */
const steadyMs = 5_000;

/** Opened by the first `next`, and again by the next one after `close`: the offset is all the state there is. */
export class OutputConnection {
  readonly #address: OutputAddress;
  /** Offset of the first byte not yet returned. */
  #offset: number;
  #open: { readonly reader: ReadableStreamDefaultReader<Uint8Array>; readonly at: number } | undefined;
  #abort: AbortController | undefined;
  #hasEnded = false;

  constructor(address: OutputAddress, offset: number) {
    this.#address = address;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  /** The next bytes as they arrive; undefined once the stream has ended. */
  async next(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    if (this.#hasEnded) return undefined;
    const onAbort = () => this.#abort?.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    try {
      return await this.#nextDespiteLosses(signal);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Lets go of the connection, so that an unread stream keeps neither a socket nor the program alive. */
  close(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.#open = undefined;
  }

  async #nextDespiteLosses(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    let failingSince: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      checkAborted(signal);
      try {
        return await this.#receive();
      } catch (cause) {
        const now = Date.now();
        if (this.#open && now - this.#open.at > steadyMs) failingSince = undefined;
        this.close();
        if (signal?.aborted) throw abortError(signal);
        failingSince ??= now;
        const { client } = this.#address;
        // `open` has its own patience and says for itself why it gave up.
        if (cause instanceof AtollError) throw cause;
        if (now - failingSince > client.retryForMs) throw failure(cause, await client.endpoint(), signal);
      }
      await sleep(pauseMs, signal);
      await this.#address.client.findAgain();
    }
  }

  async #receive(): Promise<Uint8Array | undefined> {
    this.#open ??= await this.#connect();
    for (;;) {
      const { done, value } = await this.#open.reader.read();
      if (done) return this.#end();
      if (value.length === 0) continue;
      this.#offset += value.length;
      return value;
    }
  }

  #end(): undefined {
    this.#hasEnded = true;
    this.close();
  }

  async #connect() {
    const { client, sandboxId, processId, stream } = this.#address;
    this.#abort = new AbortController();
    const response = await client.open("readOutput", {
      params: { sandboxId, processId, stream },
      query: this.#offset > 0 ? { offset: this.#offset } : {},
      signal: this.#abort.signal,
    });
    const body = response.body ?? new Blob([]).stream();
    return { reader: body.getReader(), at: Date.now() };
  }
}

/** Questions to init that one answer ends. They survive a lost connection: all of them can be asked again. */

import { ProtocolError } from "./frames.ts";
import { type FromInit, frameFor } from "./messages.ts";

export type Answer = Extract<FromInit, { readonly request: number }>;

interface Request {
  readonly kind: Answer["kind"];
  readonly frame: Buffer;
  readonly settle: ((answer: Answer) => void) | undefined;
  readonly fail: ((error: Error) => void) | undefined;
  /** Nobody waits any more, but the answer is still due. */
  isAbandoned: boolean;
}

export class Requests {
  readonly #pending = new Map<number, Request>();
  readonly #send: (frame: Buffer) => void;
  #last = 0;
  #ended: Error | undefined;

  /** @param send is called with each new frame; it drops the frame while there is no connection */
  constructor(send: (frame: Buffer) => void) {
    this.#send = send;
  }

  /** Asks, and waits for the answer over as many connections as it takes, until the signal ends the wait. */
  ask<K extends Answer["kind"]>(
    kind: K,
    frame: (request: number) => Buffer,
    signal: AbortSignal,
  ): Promise<Extract<Answer, { readonly kind: K }>> {
    const request = this.#next();
    const asked = frame(request);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#ended !== undefined) throw this.#ended;
      const stop = () => this.#abandon(request, signal.reason, reject);
      const ended = () => signal.removeEventListener("abort", stop);
      signal.addEventListener("abort", stop, { once: true });
      this.#add(request, {
        kind,
        frame: asked,
        settle: (answer) => {
          ended();
          resolve(answer as Extract<Answer, { readonly kind: K }>);
        },
        fail: (error) => {
          ended();
          reject(error);
        },
        isAbandoned: false,
      });
    });
  }

  /** Calls back once init has handled all that was sent before. Not called when the connection ends first. */
  barrier(passed: () => void): void {
    const request = this.#next();
    this.#add(request, {
      kind: "pong",
      frame: frameFor.ping(request),
      settle: passed,
      fail: undefined,
      isAbandoned: false,
    });
  }

  /** @throws ProtocolError for an answer to a question that was not asked */
  receive(answer: Answer): void {
    const request = this.#pending.get(answer.request);
    if (request?.kind !== answer.kind) throw new ProtocolError(`cannot accept ${answer.kind} that nobody asked for`);
    this.#pending.delete(answer.request);
    if (!request.isAbandoned) request.settle?.(answer);
  }

  /** A connection ended: what nobody waits for is forgotten. */
  disconnected(): void {
    for (const [number, request] of this.#pending) {
      if (request.isAbandoned || request.fail === undefined) this.#pending.delete(number);
    }
  }

  /** The frames to send again on a new connection. */
  frames(): Buffer[] {
    return [...this.#pending.values()].map((request) => request.frame);
  }

  failAll(error: Error): void {
    const pending = [...this.#pending.values()];
    this.#ended = error;
    this.#pending.clear();
    for (const request of pending) if (!request.isAbandoned) request.fail?.(error);
  }

  #add(number: number, request: Request): void {
    this.#pending.set(number, request);
    this.#send(request.frame);
  }

  #abandon(number: number, reason: unknown, reject: (reason: unknown) => void): void {
    const request = this.#pending.get(number);
    if (request !== undefined) request.isAbandoned = true;
    reject(reason);
  }

  /** Numbers are u32, and come round after four thousand million questions. */
  #next(): number {
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#pending.has(this.#last));
    return this.#last;
  }
}

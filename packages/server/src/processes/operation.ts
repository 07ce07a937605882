import { Change } from "../change.ts";
import type { AtollError } from "../error.ts";
import type { InitLink } from "../init/link.ts";
import type { Resumption, Stream } from "../init/messages.ts";
import { Stdin } from "./stdin.ts";

/** Of stderr; an operation says one line there. */
const mostSaidBytes = 4096;
const killAgainMs = 1000;

/** How an operation came to its end. */
export type OperationEnd =
  /** status as waitpid(2) gives it; `said` is the end of stderr. */
  | { readonly kind: "exited"; readonly status: number; readonly said: string }
  | { readonly kind: "not_started"; readonly errno: number; readonly step: string }
  | { readonly kind: "lost"; readonly error: AtollError };

/**
 * One process of init's own program while it runs. Its stdout is handed on as it comes and acknowledged when it was taken, so that
 * what nobody takes stays in the sandbox: at most the output window of native/PROTOCOL.md is held here.
 */
export class Operation {
  readonly stdin: Stdin;
  /** Settles, and never rejects, once nothing more will come of it. */
  readonly over: Promise<OperationEnd>;
  readonly #number: number;
  readonly #link: () => InitLink | undefined;
  readonly #settled = Promise.withResolvers<OperationEnd>();
  readonly #changed = new Change();
  readonly #pieces: Buffer[] = [];
  readonly #received = { 1: 0, 2: 0 };
  readonly #ended = { 1: false, 2: false };
  #taken = 0;
  #said = Buffer.alloc(0);
  #status: number | undefined;
  #isOver = false;
  #killing: NodeJS.Timeout | undefined;

  constructor(number: number, link: () => InitLink | undefined) {
    this.#number = number;
    this.#link = link;
    this.over = this.#settled.promise;
    this.stdin = new Stdin(
      {
        write: (offset, bytes) => link()?.writeStdin(number, offset, bytes),
        close: (offset) => link()?.closeStdin(number, offset),
      },
      true,
    );
  }

  /** Its stdout to the end, once. */
  async *bytes(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (;;) {
      await this.#changed.until(() => this.#pieces.length > 0 || this.#ended[1] || this.#isOver, signal);
      const piece = this.#pieces.shift();
      if (piece === undefined) return;
      yield piece;
      this.#taken += piece.length;
      this.#link()?.ack(this.#number, 1, this.#taken);
    }
  }

  /** Asks it to end and, if it does not, makes it; a signal is lost with a connection that breaks, so it is repeated. */
  kill(): void {
    if (this.#isOver || this.#killing) return;
    this.#link()?.signal(this.#number, 15);
    this.#killing = setInterval(() => this.#link()?.signal(this.#number, 9), killAgainMs).unref();
  }

  /** What the daemon has of it, for a new connection. */
  resume(): Resumption {
    return { process: this.#number, stdout: this.#received[1], stderr: this.#received[2] };
  }

  output(stream: Stream, offset: number, bytes: Buffer): void {
    this.#received[stream] = offset + bytes.length;
    if (stream === 2) this.#say(bytes);
    else if (!this.#killing) this.#pieces.push(bytes);
    this.#changed.announce();
  }

  eof(stream: Stream): void {
    this.#ended[stream] = true;
    this.#settle();
  }

  exited(status: number): void {
    this.#status = status;
    this.stdin.close();
    this.#settle();
  }

  notStarted(errno: number, step: string): void {
    this.#end({ kind: "not_started", errno, step });
  }

  lose(error: AtollError): void {
    this.#end({ kind: "lost", error });
  }

  #say(bytes: Buffer): void {
    this.#said = Buffer.concat([this.#said, bytes]).subarray(-mostSaidBytes);
    this.#link()?.ack(this.#number, 2, this.#received[2]);
  }

  #settle(): void {
    this.#changed.announce();
    if (this.#status === undefined || !this.#ended[1] || !this.#ended[2]) return;
    this.#end({ kind: "exited", status: this.#status, said: this.#said.toString("latin1") });
  }

  #end(end: OperationEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#killing);
    this.stdin.close();
    this.#link()?.release(this.#number);
    this.#settled.resolve(end);
    this.#changed.announce();
  }
}

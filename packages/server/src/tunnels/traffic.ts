/** What the gateway has seen pass, for its figures. */
import type { Socket } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Figures, RefusalReason } from "./gateway-messages.ts";

export class Traffic {
  readonly #open = new Set<Socket>();
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  readonly #refused = { unknown: 0, not_allowed: 0, blocked: 0, limit: 0, nothing_listens: 0, handshake: 0 };
  #accepted = 0;
  #received = 0;
  #sent = 0;

  constructor() {
    this.#delay.enable();
  }

  get open(): number {
    return this.#open.size;
  }

  /** Follows a connection until it closes. */
  follow(socket: Socket): void {
    this.#accepted += 1;
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    });
  }

  refused(reason: RefusalReason): void {
    this.#refused[reason] += 1;
  }

  figures(): Figures {
    const open = [...this.#open];
    const late = (share: number) => this.#delay.percentile(share) / 1e6;
    const figures = {
      open: open.length,
      accepted: this.#accepted,
      refused: { ...this.#refused },
      receivedBytes: open.reduce((sum, { bytesRead }) => sum + bytesRead, this.#received),
      sentBytes: open.reduce((sum, { bytesWritten }) => sum + bytesWritten, this.#sent),
      lateMs: { p50: late(50), p99: late(99), max: late(100) },
    };
    this.#delay.reset();
    return figures;
  }

  close(): void {
    this.#delay.disable();
    for (const socket of this.#open) socket.destroy();
  }
}

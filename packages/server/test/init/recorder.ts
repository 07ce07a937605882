/** The core's part in tests: keeps what init reports, and acknowledges it unless told not to. */
import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import type { ProtocolError } from "../../src/init/frames.ts";
import type { InitHandler, InitLink } from "../../src/init/link.ts";
import type { Resumption, Stream } from "../../src/init/messages.ts";

/** Output beyond this is hashed and not kept (bytes). */
const keptBytes = 1 << 20;

class StreamSeen {
  length = 0;
  readonly chunks: Buffer[] = [];
  readonly hash: Hash = createHash("sha256");
  endedAt: number | undefined;

  add(offset: number, bytes: Buffer): void {
    assert.equal(offset, this.length, "output is consecutive");
    if (this.length < keptBytes) this.chunks.push(bytes);
    this.hash.update(bytes);
    this.length += bytes.length;
  }
}

class ProcessSeen {
  pid: number | undefined;
  failure: { readonly errno: number; readonly step: string } | undefined;
  status: number | undefined;
  stdin = { offset: 0, closed: false };
  readonly streams = { 1: new StreamSeen(), 2: new StreamSeen() };

  text(stream: Stream): string {
    return Buffer.concat(this.streams[stream].chunks).toString();
  }
}

export class Recorder implements InitHandler {
  link: InitLink | undefined;
  acknowledges = true;
  readonly processes = new Map<number, ProcessSeen>();
  readonly unknowns: number[] = [];
  readonly greetings: (readonly number[])[] = [];
  violation: ProtocolError | undefined;
  #waiting = new Set<() => void>();

  of(process: number): ProcessSeen {
    const seen = this.processes.get(process) ?? new ProcessSeen();
    this.processes.set(process, seen);
    return seen;
  }

  isOver(process: number): boolean {
    const seen = this.of(process);
    if (seen.failure !== undefined) return true;
    return seen.status !== undefined && seen.streams[1].endedAt !== undefined && seen.streams[2].endedAt !== undefined;
  }

  /** Waits until the condition holds; looks again after each message. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!signal.aborted && !condition()) return;
        this.#waiting.delete(look);
        if (condition()) resolve();
        else reject(signal.reason);
      };
      this.#waiting.add(look);
      signal.addEventListener("abort", look, { once: true });
      look();
    });
  }

  forget(process: number): void {
    this.processes.delete(process);
  }

  *resume(): Iterable<Resumption> {
    for (const [process, seen] of this.processes) {
      yield { process, stdout: seen.streams[1].length, stderr: seen.streams[2].length };
    }
  }

  connected(processes: readonly number[]): void {
    this.greetings.push(processes);
    this.#changed();
  }

  disconnected(): void {
    this.#changed();
  }

  started(process: number, pid: number): void {
    this.of(process).pid = pid;
    this.#changed();
  }

  startFailed(process: number, errno: number, step: string): void {
    this.of(process).failure = { errno, step };
    this.#changed();
  }

  output(process: number, stream: Stream, offset: number, bytes: Buffer): void {
    this.of(process).streams[stream].add(offset, bytes);
    if (this.acknowledges) this.link?.ack(process, stream, offset + bytes.length);
    this.#changed();
  }

  eof(process: number, stream: Stream, offset: number): void {
    assert.equal(offset, this.of(process).streams[stream].length, "EOF comes where the output ends");
    this.of(process).streams[stream].endedAt = offset;
    this.#changed();
  }

  exited(process: number, status: number): void {
    this.of(process).status = status;
    this.#changed();
  }

  stdinAck(process: number, offset: number, closed: boolean): void {
    this.of(process).stdin = { offset, closed };
    this.#changed();
  }

  unknown(process: number): void {
    this.unknowns.push(process);
    this.#changed();
  }

  violated(error: ProtocolError): void {
    this.violation = error;
    this.#changed();
  }

  #changed(): void {
    for (const look of [...this.#waiting]) look();
  }
}

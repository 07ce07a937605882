import type { InitLink } from "../init/link.ts";
import type { OutputLog } from "./output-log.ts";

/** Output of one sandbox on its way to the disk; beyond the first its connection is not read until it is below the second. */
const pauseBytes = 4 * 1024 * 1024;
const resumeBytes = 2 * 1024 * 1024;

/** Whether a sandbox's connection is read, so that what waits for the disk stays bounded. */
export class Reading {
  readonly #logs: () => Iterable<OutputLog>;
  readonly #link: () => InitLink | undefined;
  #isPaused = false;

  constructor(logs: () => Iterable<OutputLog>, link: () => InitLink | undefined) {
    this.#logs = logs;
    this.#link = link;
  }

  /** Output came in. */
  arrived(): void {
    if (this.#isPaused || this.#unwrittenBytes() <= pauseBytes) return;
    this.#isPaused = true;
    this.#link()?.pauseReading();
  }

  /** Output is on the disk. */
  written(): void {
    if (!this.#isPaused || this.#unwrittenBytes() > resumeBytes) return;
    this.#isPaused = false;
    this.#link()?.resumeReading();
  }

  /** A log at its limit is left out: its bytes are few, and they wait for something else than the disk. */
  #unwrittenBytes(): number {
    let bytes = 0;
    for (const log of this.#logs()) if (!log.isLimited) bytes += log.unwrittenBytes;
    return bytes;
  }
}

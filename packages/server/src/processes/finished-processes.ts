import { rm } from "node:fs/promises";
import type { ProcessRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { timesPath } from "./output-times.ts";
import { mainNumber, outputPath } from "./process.ts";

/** Finished ones kept of one sandbox; the oldest go, together with their output. */
const kept = 1000;

interface Options {
  readonly store: Store;
  readonly outputDirectory: string;
  readonly onWriteError: (error: unknown) => void;
}

/** Which processes of one sandbox have finished, so that what is kept of them stays bounded. Its own command is kept in any case. */
export class FinishedProcesses {
  readonly #options: Options;
  readonly #numbers: number[] = [];

  constructor(options: Options) {
    this.#options = options;
  }

  add({ number, sandboxId }: ProcessRow): void {
    if (number === mainNumber) return;
    this.#numbers.push(number);
    if (this.#numbers.length <= kept) return;
    const oldest = this.#numbers.shift() ?? 0;
    const { store, outputDirectory, onWriteError } = this.#options;
    store.processes.remove(sandboxId, oldest);
    for (const stream of ["stdout", "stderr"] as const) {
      const path = outputPath(outputDirectory, oldest, stream);
      for (const file of [path, timesPath(path)]) rm(file, { force: true }).catch(onWriteError);
    }
  }
}

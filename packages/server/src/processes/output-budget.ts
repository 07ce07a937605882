/** How much output may be kept of one sandbox, over all its streams. */
export class OutputBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get isExhausted(): boolean {
    return this.#usedBytes >= this.#limitBytes;
  }

  use(bytes: number): void {
    this.#usedBytes += bytes;
  }
}

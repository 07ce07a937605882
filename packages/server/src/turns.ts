/** One after another for each key, in order of arrival. */
export class Turns {
  /** What was begun last of each. */
  readonly #last = new Map<string, Promise<unknown>>();

  async alone<T>(key: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(act, act);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}

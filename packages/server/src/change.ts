/** Wakes whoever waits for a condition to become true. The condition itself is state that the waiter looks at again. */
export class Change {
  readonly #waiting = new Set<() => void>();

  announce(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Settles at the next announcement; rejects with the signal's reason when that comes first. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const wake = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        this.#waiting.delete(wake);
        reject(signal.reason);
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  async until(isTrue: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isTrue()) await this.next(signal);
  }
}

/** Like `until`, but answers whether the condition came true before the time was over; an abort still rejects. */
export async function within(
  timeMs: number,
  change: Change,
  isTrue: () => boolean,
  signal?: AbortSignal,
): Promise<boolean> {
  if (isTrue()) return true;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeMs);
  try {
    await change.until(isTrue, signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
    return true;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (limit.signal.aborted) return isTrue();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

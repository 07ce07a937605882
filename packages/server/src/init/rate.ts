/** A token bucket: `burst` events at once, and `perSecond` in the long run. */
export class Rate {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #at = performance.now();

  constructor(limits: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = limits.burst;
    this.#perMs = limits.perSecond / 1000;
    this.#tokens = limits.burst;
  }

  /** Whether one more event is within the rate. */
  take(): boolean {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

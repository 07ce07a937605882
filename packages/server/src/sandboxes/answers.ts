import { createHash, timingSafeEqual } from "node:crypto";
import { AtollError } from "../error.ts";
import type { AnswerRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

/** How long a repeated request gets the first one's answer. */
export const answersKeptMs = 24 * 3_600_000;

/** What a request carries that may be sent twice. */
export interface Repeatable {
  /** The operation and what it is asked of, before the caller's key. */
  readonly scope: string;
  readonly key: string;
  /** The request in full, to tell a repetition from a reused key. */
  readonly request: unknown;
}

interface Underway {
  readonly hash: Uint8Array;
  readonly made: Promise<string>;
}

/** Makes a request that is repeated with the same Idempotency-Key act once. */
export class Answers {
  readonly #store: Store;
  readonly #underway = new Map<string, Underway>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Runs `make`, or answers with the id that the first request of this key made or is making.
   * @param make makes the thing and stores the row it is given in the same transaction
   * @throws AtollError idempotency_mismatch when the key came with another request
   */
  async once(
    repeatable: Repeatable | undefined,
    make: (row: AnswerOf | undefined) => Promise<string>,
  ): Promise<string> {
    if (!repeatable) return make(undefined);
    const scope = scopeOf(repeatable);
    const hash = createHash("sha256").update(JSON.stringify(repeatable.request)).digest();
    const earlier = this.#underway.get(scope) ?? this.#stored(scope);
    if (earlier) return await same(earlier, hash, repeatable.key).made;
    const made = make((madeId) => ({ scope, requestHash: hash, madeId, createdAt: Date.now() }));
    this.#underway.set(scope, { hash, made });
    try {
      return await made;
    } finally {
      this.#underway.delete(scope);
    }
  }

  /** Whether a repetition would get an answer that was given before. */
  has(repeatable: Repeatable): boolean {
    return this.#stored(scopeOf(repeatable)) !== undefined;
  }

  #stored(scope: string): Underway | undefined {
    const row = this.#store.answers.get(scope);
    return row && { hash: row.requestHash, made: Promise.resolve(row.madeId) };
  }
}

export type AnswerOf = (madeId: string) => AnswerRow;

function scopeOf({ scope, key }: Repeatable): string {
  return `${scope} ${key}`;
}

function same(earlier: Underway, hash: Uint8Array, key: string): Underway {
  if (timingSafeEqual(earlier.hash, hash)) return earlier;
  throw new AtollError(
    "idempotency_mismatch",
    `cannot repeat the request "${key}": it differs from the first with that key`,
  );
}

import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NewToken, Token } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { newId, randomText } from "../id.ts";
import { writeAtomically } from "../state-directory.ts";
import type { TokenRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

/** How exact `lastUsedAt` is, in milliseconds: not every request is worth a commit. */
const usePrecisionMs = 60_000;
const localName = "local";

/** Who may speak to the server. Only hashes are kept. */
export class Tokens {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  create(name: string): NewToken {
    const token = `atoll_${randomText(43)}`;
    const row: TokenRow = { id: newId("tk"), name, hash: hashOf(token), createdAt: Date.now() };
    this.#store.durably(() => this.#store.tokens.insert(row));
    return { id: row.id, name, createdAt: new Date(row.createdAt).toISOString(), token };
  }

  list(): Token[] {
    return this.#store.tokens.list().map(view);
  }

  remove(id: string): void {
    if (this.#store.durably(() => this.#store.tokens.remove(id))) return;
    throw new AtollError("not_found", `cannot find the token ${id}`, "List tokens with `atoll token ls`.");
  }

  /** Whether a token is valid and has this id, for callers who send both. */
  isPair(id: string, token: string): boolean {
    return this.isValid(token) && this.#store.tokens.withHash(hashOf(token))?.id === id;
  }

  isValid(token: string): boolean {
    const hash = hashOf(token);
    const row = this.#store.tokens.withHash(hash);
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return false;
    this.#noteUse(row);
    return true;
  }

  /** Makes sure that the machine's own user can speak to the server: a valid token in the file `token`, mode 0600. */
  ensureLocal(stateDirectory: string): void {
    const file = join(stateDirectory, "token");
    if (existsSync(file) && this.isValid(readFileSync(file, "utf8").trim())) return;
    for (const { id, name } of this.#store.tokens.list()) if (name === localName) this.remove(id);
    writeAtomically(file, `${this.create(localName).token}\n`, 0o600);
  }

  #noteUse(row: TokenRow): void {
    const now = Date.now();
    if (now - (row.lastUsedAt ?? 0) > usePrecisionMs) this.#store.tokens.touch(row.id, now);
  }
}

/** Tokens carry 256 random bits, so one plain hash is enough: there is nothing to guess. */
function hashOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

function view(row: TokenRow): Token {
  const lastUsedAt = row.lastUsedAt === undefined ? {} : { lastUsedAt: new Date(row.lastUsedAt).toISOString() };
  return { id: row.id, name: row.name, createdAt: new Date(row.createdAt).toISOString(), ...lastUsedAt };
}

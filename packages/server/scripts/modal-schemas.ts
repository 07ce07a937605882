import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The schemas, and what `scripts/generate-modal.ts` writes from them. */
export const proto = fileURLToPath(new URL("../src/modal/proto", import.meta.url));
export const generated = fileURLToPath(new URL("../src/modal/generated", import.meta.url));

/** Tells whether what was written still belongs to the schemas. */
export function sourcesDigest(): string {
  const hash = createHash("sha256");
  const names = readdirSync(proto).filter((name) => name.endsWith(".proto"));
  for (const name of names.sort())
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(proto, name)))
      .update("\0");
  return hash.digest("hex");
}

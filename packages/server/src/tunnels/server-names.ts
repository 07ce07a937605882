/** The TLS context for each server name: signed by the local authority, or from files that are read again when renewed. */
import { statSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Authority } from "../certificates/authority.ts";
import { LRUCache } from "../lru-cache.ts";
import { type CertificateFiles, readPair } from "./certificate-files.ts";

export interface ServerNames {
  contextFor(serverName: string): SecureContext;
}

const contextsKept = 2048;
const renewAfterMs = 24 * 3_600_000;

export function namesOfAuthority(authority: Authority): ServerNames {
  const contexts = new LRUCache<string, { readonly context: SecureContext; readonly madeAt: number }>(contextsKept);
  return {
    contextFor: (serverName) => {
      const known = contexts.get(serverName);
      if (known && Date.now() - known.madeAt < renewAfterMs) return known.context;
      const { certificate, key } = authority.leaf(serverName);
      const context = createSecureContext({ cert: certificate, key });
      contexts.set(serverName, { context, madeAt: Date.now() });
      return context;
    },
  };
}

const lookAgainMs = 1000;

/** A pair that does not fit together, as in the middle of a renewal, is not used: the earlier one stays. */
export function namesOfFiles(
  files: CertificateFiles,
  domain: string,
  warn: (warning: string, error: unknown) => void,
): ServerNames {
  const version = () => [files.chain, files.key].map((file) => statSync(file).mtimeMs).join(" ");
  const read = () => {
    const { cert, key, expiresAt } = readPair(files, domain);
    if (expiresAt.getTime() < Date.now())
      warn("the certificate of tunnels has expired", new Error(`${files.chain} ended at ${expiresAt.toISOString()}`));
    return createSecureContext({ cert, key });
  };
  let seen = version();
  let context = read();
  let lookedAt = Date.now();
  return {
    contextFor: () => {
      if (Date.now() - lookedAt < lookAgainMs) return context;
      lookedAt = Date.now();
      try {
        const present = version();
        if (present === seen) return context;
        seen = present;
        context = read();
      } catch (error) {
        warn("cannot use the renewed certificate of tunnels; the earlier one stays in use", error);
      }
      return context;
    },
  };
}

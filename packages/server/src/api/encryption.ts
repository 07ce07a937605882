/** With what the API's port speaks TLS: files of the operator's own, or a certificate that is made on first use. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import type { Logger } from "pino";
import { serverCertificate } from "../certificates/server-certificate.ts";
import type { Config } from "../config.ts";
import { messageOf } from "../error.ts";
import type { TlsPair } from "../share-port.ts";

const lookAgainMs = 1000;
const wildcards = ["0.0.0.0", "::"];

export function encryption({ tls, listen, issuer }: Config, stateDirectory: string, log: Logger): () => TlsPair {
  if (tls.files) return renewed(tls.files, log);
  const named = [hostname(), listen.host, ...(issuer === undefined ? [] : [new URL(issuer).hostname])];
  const known = named.map((name) => name.replace(/^\[|\]$/g, "")).filter((name) => !wildcards.includes(name));
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...known])];
  let pair: TlsPair | undefined;
  return () => {
    if (!pair) {
      const { certificate, key } = serverCertificate(join(stateDirectory, "certificates", "api"), names);
      pair = { cert: certificate, key };
    }
    return pair;
  };
}

/** A pair that does not fit together, as in the middle of a renewal, is not used: the earlier one stays. */
function renewed(files: { readonly chain: string; readonly key: string }, log: Logger): () => TlsPair {
  const version = () => [files.chain, files.key].map((file) => statSync(file).mtimeMs).join(" ");
  let seen = version();
  let pair = readPair(files);
  let lookedAt = Date.now();
  return () => {
    if (Date.now() - lookedAt < lookAgainMs) return pair;
    lookedAt = Date.now();
    try {
      const present = version();
      if (present !== seen) pair = readPair(files);
      seen = present;
    } catch (error) {
      log.warn({ err: error }, "cannot use the renewed certificate of the API; the earlier one stays in use");
    }
    return pair;
  };
}

/** @throws Error when the two are not a certificate and its key */
export function readPair(files: { readonly chain: string; readonly key: string }): TlsPair {
  try {
    const pair = { cert: readFileSync(files.chain), key: readFileSync(files.key) };
    createSecureContext(pair);
    return pair;
  } catch (error) {
    throw new Error(`cannot use ATOLL_CERTIFICATE=${files.chain} with ATOLL_KEY=${files.key}: ${messageOf(error)}`);
  }
}

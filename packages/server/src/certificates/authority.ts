/** A certificate authority of this machine's own, which signs a certificate for each server name when it is first asked for. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LRUCache } from "../lru-cache.ts";
import { writeAtomically } from "../state-directory.ts";
import { certificateFor, type KeyPair, newKey } from "./certificate.ts";

export interface AuthorityOptions {
  readonly commonName: string;
  /** The only DNS names, with all below each, that it can sign for; any when absent. */
  readonly permitted?: readonly string[] | undefined;
  /** Makes it an authority under another, instead of a root. */
  readonly issuer?: Authority | undefined;
}

const dayMs = 24 * 3_600_000;
/** Clocks of clients may be behind. */
const earlierMs = dayMs;
const authorityDays = 3650;
/** Browsers refuse more than 398; a server that runs for longer signs anew. */
const leafDays = 90;
const renewBeforeMs = 30 * dayMs;
/** Names are chosen by clients, so what is kept of them is limited. */
const leavesKept = 4096;

export class Authority {
  readonly #pair: KeyPair;
  /** What a client needs between a leaf and the root. */
  readonly #chain: string;
  /** All leaves share it: a key of its own would make none of them safer, and costs more than the signature. */
  readonly #leafKey = newKey();
  readonly #leaves = new LRUCache<string, KeyPair>(leavesKept);

  constructor(pair: KeyPair, issuer?: Authority) {
    this.#pair = pair;
    this.#chain = issuer ? pair.certificate + issuer.#chain : "";
  }

  /** One that is kept nowhere. */
  static make({ commonName, permitted, issuer }: AuthorityOptions): Authority {
    const key = newKey();
    const signer = issuer === undefined ? undefined : issuer.#pair;
    const certificate = certificateFor({
      commonName,
      key,
      ...validFor(authorityDays),
      issuer: signer,
      use: { permitted },
    });
    return new Authority({ certificate, key }, issuer);
  }

  /** The one of this directory, which is made on first use. Its key is readable by the owner of the directory alone. */
  static in(directory: string, options: AuthorityOptions): Authority {
    const file = join(directory, "authority.pem");
    if (!existsSync(file)) {
      const { certificate, key } = Authority.make(options).#pair;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // One file, so that no crash leaves a certificate without its key.
      writeAtomically(file, key + certificate, 0o600);
    }
    return new Authority(pairIn(file), options.issuer);
  }

  /** In PEM: what clients are to trust. */
  get certificate(): string {
    return this.#pair.certificate;
  }

  /** A certificate for this DNS name, with what stands between it and the root, and its key. */
  leaf(serverName: string): KeyPair {
    const known = this.#leaves.get(serverName);
    if (known && Date.parse(new X509Certificate(known.certificate).validTo) - Date.now() > renewBeforeMs) return known;
    const leaf = certificateFor({
      commonName: commonNameFor(serverName),
      key: this.#leafKey,
      ...validFor(leafDays),
      issuer: this.#pair,
      use: { serverNames: [serverName] },
    });
    const pair = { certificate: leaf + this.#chain, key: this.#leafKey };
    this.#leaves.set(serverName, pair);
    return pair;
  }
}

/** A common name holds 64 characters at most (RFC 5280, appendix A.1); clients look at the alternative name. */
function commonNameFor(serverName: string): string {
  return serverName.length <= 64 ? serverName : "server";
}

function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - earlierMs), notAfter: new Date(now + days * dayMs) };
}

/** A key and a certificate that were written into one file. */
export function pairIn(file: string): KeyPair {
  const text = readFileSync(file, "utf8");
  const [certificate = ""] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text) ?? [];
  const [key = ""] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text) ?? [];
  if (certificate !== "" && key !== "") return { certificate, key };
  throw new Error(`cannot use the key and the certificate in ${file}: remove the file to have a new one made`);
}

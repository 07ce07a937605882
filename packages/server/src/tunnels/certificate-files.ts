/** A certificate and a key of the operator's own, in PEM files. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf } from "../error.ts";

export interface CertificateFiles {
  /** The certificate, with those between it and its root. */
  readonly chain: string;
  readonly key: string;
}

export interface FilePair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly expiresAt: Date;
}

/**
 * @param domain tunnels are named below it
 * @throws Error that names the file, when the two are not what tunnels of the domain need
 */
export function readPair(files: CertificateFiles, domain: string): FilePair {
  const [cert, key] = [contentOf(files.chain), contentOf(files.key)];
  const certificate = parsed(files.chain, "a certificate", () => new X509Certificate(cert));
  const privateKey = parsed(files.key, "a private key without a passphrase", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`cannot use ${files.key} for tunnels: it is not the key of the certificate in ${files.chain}`);
  if (certificate.checkHost(`label.${domain}`) === undefined)
    throw new Error(
      `cannot use ${files.chain} for tunnels: it is not for *.${domain} but for ${certificate.subjectAltName ?? certificate.subject}; set ATOLL_TUNNEL_DOMAIN to what it is for`,
    );
  return { cert, key, expiresAt: certificate.validToDate };
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`cannot read ${file} for tunnels: ${messageOf(error)}`);
  }
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new Error(`cannot use ${file} for tunnels: it holds no PEM of ${what}`);
  }
}

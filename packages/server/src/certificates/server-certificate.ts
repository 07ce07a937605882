/** The certificate of the API's own port, made on first use. It signs no other: who trusts it trusts this server and nobody else. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { writeAtomically } from "../state-directory.ts";
import { pairIn } from "./authority.ts";
import { certificateFor, type KeyPair, newKey } from "./certificate.ts";

const dayMs = 86_400_000;
const validDays = 3650;
const renewBeforeMs = 30 * dayMs;

/**
 * The pair in this directory, made anew when it is not for all of these names or runs out. Clients are given `certificate.pem`.
 * @param names DNS names and IP addresses
 */
export function serverCertificate(directory: string, names: readonly string[]): KeyPair {
  const file = join(directory, "server.pem");
  const known = existsSync(file) ? pairIn(file) : undefined;
  if (known && isFor(known, names)) return known;
  const pair = made(names);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  writeAtomically(file, pair.key + pair.certificate, 0o600);
  writeAtomically(join(directory, "certificate.pem"), pair.certificate, 0o644);
  return pair;
}

function made(names: readonly string[]): KeyPair {
  const key = newKey();
  const now = Date.now();
  const certificate = certificateFor({
    commonName: "Atoll on this machine",
    key,
    // Clocks of clients may be behind.
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + validDays * dayMs),
    use: { serverNames: names },
  });
  return { certificate, key };
}

function isFor({ certificate }: KeyPair, names: readonly string[]): boolean {
  const parsed = new X509Certificate(certificate);
  if (Date.parse(parsed.validTo) - Date.now() < renewBeforeMs) return false;
  return names.every((name) => (isIP(name) ? parsed.checkIP(name) : parsed.checkHost(name)) !== undefined);
}

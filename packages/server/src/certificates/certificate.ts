/** One X.509 certificate (RFC 5280) with its key on P-256: the names it is for, and whether it may sign others. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** Both in PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** PEM of the private key whose public half is certified. */
  readonly key: string;
  /** Who signs; the key itself when absent. */
  readonly issuer?: KeyPair | undefined;
  /** DNS names and IP addresses of a server, or the use of an authority. */
  readonly use: { readonly serverNames: readonly string[] } | AuthorityUse;
}

/** A certificate that signs others. */
export interface AuthorityUse {
  /**
   * The only DNS names, with all below each, that certificates under it may be for; no IP address then. Any name when absent.
   */
  readonly permitted: readonly string[] | undefined;
}

const commonNameAttribute = "2.5.4.3";
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
/** A critical extension that a program does not know makes it refuse the certificate. */
const critical = true;

export function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** @returns the signed certificate in PEM */
export function certificateFor(request: CertificateRequest): string {
  const publicKey = publicKeyOf(request.key);
  const issuer = request.issuer && AsnConvert.parse(derOf(request.issuer.certificate), Certificate);
  const subject = nameOf(request.commonName);
  const algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const signed = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer: issuer?.tbsCertificate.subject ?? subject,
    validity: new Validity({ notBefore: request.notBefore, notAfter: request.notAfter }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...("serverNames" in request.use ? serverExtensions(request.use.serverNames) : authorityExtensions(request.use)),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(publicKey))),
      extension(id_ce_authorityKeyIdentifier, authorityKey(request.issuer?.key ?? request.key)),
    ]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(signed)), request.issuer?.key ?? request.key);
  return pemOf(
    new Certificate({ tbsCertificate: signed, signatureAlgorithm: algorithm, signatureValue: exactly(signature) }),
  );
}

function serverExtensions(serverNames: readonly string[]): Extension[] {
  const names = serverNames.map((name) => new GeneralName(isIP(name) ? { iPAddress: name } : { dNSName: name }));
  return [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), critical),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), critical),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
    extension(id_ce_subjectAltName, new SubjectAlternativeName(names)),
  ];
}

function authorityExtensions({ permitted }: AuthorityUse): Extension[] {
  const usual = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), critical),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), critical),
  ];
  if (permitted === undefined) return usual;
  return [
    ...usual,
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
    extension(id_ce_nameConstraints, constraints(permitted), critical),
  ];
}

/** A form of name that is not mentioned is not constrained (RFC 5280, 4.2.1.10), so addresses are excluded by name. */
function constraints(permitted: readonly string[]): NameConstraints {
  const subtree = (name: Partial<GeneralName>) => new GeneralSubtree({ base: new GeneralName(name) });
  return new NameConstraints({
    permittedSubtrees: new GeneralSubtrees(permitted.map((dNSName) => subtree({ dNSName }))),
    excludedSubtrees: new GeneralSubtrees([subtree({ iPAddress: "0.0.0.0/0" }), subtree({ iPAddress: "::/0" })]),
  });
}

function extension(id: string, value: unknown, isCritical = false): Extension {
  return new Extension({
    extnID: id,
    critical: isCritical,
    extnValue: new OctetString(AsnConvert.serialize(value)),
  });
}

function authorityKey(issuerKey: string): AuthorityKeyIdentifier {
  return new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(publicKeyOf(issuerKey))) });
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonNameAttribute, value })])]);
}

/** 127 bits, positive, and never with a leading zero byte that DER would forbid. */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return exactly(bytes);
}

function publicKeyOf(key: string): Buffer {
  return createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" });
}

function keyIdentifier(publicKey: Buffer): ArrayBuffer {
  return exactly(createHash("sha256").update(publicKey).digest().subarray(0, 20));
}

/** Small buffers of Node share a larger one. */
function exactly(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function derOf(pem: string): ArrayBuffer {
  return exactly(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64"));
}

function pemOf(certificate: Certificate): string {
  const text = Buffer.from(AsnConvert.serialize(certificate)).toString("base64");
  const lines = text.match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

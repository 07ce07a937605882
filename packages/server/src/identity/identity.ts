/** Tells others which sandbox a program runs in: signed tokens, and what they are verified with, as OpenID Connect Discovery 1.0 has it. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { randomText } from "../id.ts";
import { writeAtomically } from "../state-directory.ts";

/** What is said of a sandbox. Times are milliseconds since the epoch. */
export interface Bearer {
  readonly id: string;
  readonly app: string;
  readonly name?: string | undefined;
  readonly expiresAt: number;
}

export interface IdentityOptions {
  readonly stateDirectory: string;
  /** The address at which others find this server, without a slash at the end. */
  readonly issuer: () => string;
}

/** What every relying party knows (RFC 7518, 3.1). */
const algorithm = "RS256";
const keyBits = 2048;

export class Identity {
  readonly #options: IdentityOptions;
  #known: { readonly key: KeyObject; readonly id: string } | undefined;

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  /** A JSON Web Token (RFC 7519). */
  token({ id, app, name, expiresAt }: Bearer): string {
    const issuer = this.#options.issuer();
    const { key, id: kid } = this.#key();
    const seconds = (ms: number) => Math.floor(ms / 1000);
    const claims = {
      iss: issuer,
      aud: issuer,
      sub: `app:${app}:sandbox:${id}`,
      iat: seconds(Date.now()),
      exp: seconds(expiresAt),
      jti: randomText(22),
      sandbox_id: id,
      app_name: app,
      ...(name !== undefined && { sandbox_name: name }),
    };
    const signed = `${encode({ alg: algorithm, typ: "JWT", kid })}.${encode(claims)}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }

  configuration() {
    const issuer = this.#options.issuer();
    return {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [algorithm],
      claims_supported: ["iss", "aud", "sub", "iat", "exp", "jti", "sandbox_id", "app_name", "sandbox_name"],
    };
  }

  /** A JSON Web Key Set (RFC 7517). */
  keys() {
    const { key, id: kid } = this.#key();
    return { keys: [{ ...publicPart(key), use: "sig", alg: algorithm, kid }] };
  }

  /** Made on first use. */
  #key() {
    if (this.#known) return this.#known;
    const file = join(this.#options.stateDirectory, "identity-key.pem");
    if (!existsSync(file)) writeAtomically(file, newKey(), 0o600);
    const key = createPrivateKey(readFileSync(file));
    this.#known = { key, id: thumbprint(key) };
    return this.#known;
  }
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: keyBits });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function publicPart(key: KeyObject) {
  const { kty = "", n = "", e = "" } = createPublicKey(key).export({ format: "jwk" });
  return { kty, n, e };
}

/** RFC 7638: the members in this order. */
function thumbprint(key: KeyObject): string {
  const { e, kty, n } = publicPart(key);
  return createHash("sha256").update(JSON.stringify({ e, kty, n })).digest("base64url");
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

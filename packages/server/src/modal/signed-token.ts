import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** What a token says. Plain words only: some readers know the alphabet of base64 but not of base64url, which differ in what `>`, `?` and `~` need. */
export interface Claims {
  /** What it admits to. */
  readonly aud: string;
  /** Whom or what it is about. */
  readonly sub: string;
  /** Seconds since the epoch. */
  readonly exp: number;
}

const header = encode({ alg: "HS256", typ: "JWT" });

/** Short-lived tokens that only this server reads, as JSON Web Tokens (RFC 7519) since clients read when they expire. */
export class SignedTokens {
  readonly #key: Buffer;

  /** @param secret of the server; tokens stay valid as long as it does */
  constructor(secret: Uint8Array) {
    this.#key = Buffer.from(hkdfSync("sha256", secret, "", "signed tokens of the Modal dialect", 32));
  }

  sign(aud: string, sub: string, lifetimeMs: number): string {
    const claims: Claims = { aud, sub, exp: Math.floor((Date.now() + lifetimeMs) / 1000) };
    const signed = `${header}.${encode(claims)}`;
    return `${signed}.${this.#signature(signed).toString("base64url")}`;
  }

  /** Whom it is about; undefined when it is not of this server, not for this purpose, or too old. */
  subject(aud: string, token: string): string | undefined {
    const [head, payload, signature] = token.split(".");
    if (head !== header || payload === undefined || signature === undefined) return undefined;
    const given = Buffer.from(signature, "base64url");
    const right = this.#signature(`${head}.${payload}`);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
    return claims.aud === aud && claims.exp * 1000 > Date.now() ? claims.sub : undefined;
  }

  #signature(text: string): Buffer {
    return createHmac("sha256", this.#key).update(text).digest();
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

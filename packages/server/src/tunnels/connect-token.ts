/** Tokens that open a port of one sandbox: signed and stored nowhere, so they outlive a restart and end with the sandbox. */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface ConnectGrant {
  readonly sandboxId: string;
  readonly port: number;
  readonly metadata?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export function sealGrant(key: Buffer, grant: ConnectGrant): string {
  const body = Buffer.from(JSON.stringify(grant)).toString("base64url");
  return `${body}.${signature(key, body)}`;
}

/** The grant, if the token is one of ours and still valid. */
export function openGrant(key: Buffer, token: string, now: number): ConnectGrant | undefined {
  const [body = "", given = ""] = token.split(".");
  const expected = Buffer.from(signature(key, body));
  const shown = Buffer.from(given);
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) return undefined;
  const grant: ConnectGrant = JSON.parse(Buffer.from(body, "base64url").toString("utf8"));
  return grant.expiresAt > now ? grant : undefined;
}

function signature(key: Buffer, body: string): string {
  return createHmac("sha256", key).update(`connect ${body}`).digest("base64url");
}

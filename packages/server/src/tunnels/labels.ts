/** Names of tunnels: 128 bits of a keyed hash, so they cannot be guessed and come back after a restart. */
import { createHmac, hkdfSync } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

export function tunnelKey(secretKey: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", secretKey, "", "atoll tunnels", 32));
}

/** 26 characters. @param port of the tunnel; undefined for the sandbox's authenticated way in */
export function labelOf(key: Buffer, sandboxId: string, port: number | undefined): string {
  const bytes = createHmac("sha256", key)
    .update(`label ${sandboxId} ${port ?? "connect"}`)
    .digest()
    .subarray(0, 16);
  return base32(bytes);
}

function base32(bytes: Uint8Array): string {
  let bits = BigInt(`0x${Buffer.from(bytes).toString("hex")}`) << 2n;
  let text = "";
  for (let index = 0; index < 26; index += 1) {
    text = (alphabet[Number(bits & 31n)] ?? "") + text;
    bits >>= 5n;
  }
  return text;
}

import { randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 22 characters of base 62: 131 bits, so ids need no coordination and cannot be guessed. */
export function newId(prefix: "ap" | "en" | "ex" | "im" | "sb" | "st" | "tk" | "vo"): string {
  return `${prefix}-${randomText(22)}`;
}

export function randomText(length: number): string {
  let text = "";
  while (text.length < length) text += [...randomBytes(length * 2)].map(characterOf).join("");
  return text.slice(0, length);
}

/** Bytes of 248 and above are skipped: 248 is the largest multiple of 62, and a plain remainder would favour some characters. */
function characterOf(byte: number): string {
  return byte < 248 ? (alphabet[byte % 62] ?? "") : "";
}

import { AtollError } from "../error.ts";

/** Contents are known by the SHA-256 of what they are; each kind of them has ids of its own that say no more. */
const mountPrefix = "mo-";
const blobPrefix = "bl-";

/** @param hex SHA-256 in hexadecimal digits. @throws AtollError invalid_argument */
export function digestOf(hex: string): string {
  if (/^[0-9a-f]{64}$/.test(hex)) return `sha256:${hex}`;
  throw new AtollError("invalid_argument", `cannot use ${JSON.stringify(hex)} as a SHA-256 in hexadecimal digits`);
}

export function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

export function blobIdOf(digest: string): string {
  return blobPrefix + hexOf(digest);
}

/** A mount is a list of files. */
export function mountIdOf(list: string): string {
  return mountPrefix + hexOf(list);
}

/** @throws AtollError not_found */
export function listOfMount(mountId: string): string {
  const [, hex] = /^mo-([0-9a-f]{64})$/.exec(mountId) ?? [];
  if (hex === undefined) throw new AtollError("not_found", `cannot find the mount ${JSON.stringify(mountId)}`);
  return digestOf(hex);
}

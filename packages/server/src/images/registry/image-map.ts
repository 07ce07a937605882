/** Images that a server uses in place of those of registries: mirrors, or its own. Pure. */
import { fullReference, parseReference } from "./reference.ts";

export interface MapEntry {
  /** In full; one `*` stands for anything. */
  readonly from: string;
  /** An image of the server, or of a registry; a `*` is what the other one stood for. */
  readonly to: string;
}

/** @param text entries FROM=TO, separated by commas. @throws Error that names the entry */
export function parseImageMap(text: string): MapEntry[] {
  const entries = text.split(",").map((entry) => entry.trim());
  return entries.filter((entry) => entry !== "").map(parseEntry);
}

/** What takes the place of common bases where their registry cannot be reached; those that the Modal clients start from are among them. */
export const standIns: readonly MapEntry[] = parseImageMap(
  "python:3*-slim=base, python:3*-slim-bookworm=base, debian:*-slim=base",
);

function parseEntry(entry: string): MapEntry {
  const [from = "", to = "", ...more] = entry.split("=").map((part) => part.trim());
  const stars = (text: string) => text.split("*").length - 1;
  if (from === "" || to === "" || more.length > 0 || stars(from) > 1 || stars(to) > stars(from)) {
    throw new Error(`cannot use "${entry}" of ATOLL_IMAGE_MAP: write it as FROM=TO, with one * in each at most`);
  }
  return { from: from.includes("*") ? fullPattern(from) : fullReference(parseReference(from)), to };
}

/** `python:*` is docker.io/library/python:* in full; what a star cuts short cannot be read as a whole reference. */
function fullPattern(text: string): string {
  if (text.startsWith("*")) return text;
  const [first = "", ...path] = text.split("/");
  const hasHost = path.length > 0 && (/[.:]/.test(first) || first === "localhost");
  if (hasHost) return text;
  return `docker.io/${path.length > 0 ? "" : "library/"}${text}`;
}

/** What is used in place of a reference; undefined for one that is used as it is. */
export function mapped(map: readonly MapEntry[], full: string): string | undefined {
  for (const { from, to } of map) {
    if (from === full) return to;
    const [head = "", tail] = from.split("*");
    if (tail === undefined || !full.startsWith(head) || !full.slice(head.length).endsWith(tail)) continue;
    return to.replace("*", () => full.slice(head.length, full.length - tail.length));
  }
  return undefined;
}

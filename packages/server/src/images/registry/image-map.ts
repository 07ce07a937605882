/** Images that a server uses in place of those of registries: mirrors, or its own. Pure. */
import { fullReference, parseReference } from "./reference.ts";

export interface MapEntry {
  /** In full; a `*` at its end stands for anything. */
  readonly from: string;
  /** An image of the server, or of a registry; a `*` at its end is what the other one stood for. */
  readonly to: string;
}

/** @param text entries FROM=TO, separated by commas. @throws Error that names the entry */
export function parseImageMap(text: string): MapEntry[] {
  const entries = text.split(",").map((entry) => entry.trim());
  return entries.filter((entry) => entry !== "").map(parseEntry);
}

function parseEntry(entry: string): MapEntry {
  const [from = "", to = "", ...more] = entry.split("=").map((part) => part.trim());
  const isUsable = from !== "" && to !== "" && more.length === 0 && !/\*./.test(from) && !/\*./.test(to);
  if (!isUsable || (to.endsWith("*") && !from.endsWith("*"))) {
    throw new Error(`cannot use "${entry}" of ATOLL_IMAGE_MAP: write it as FROM=TO, with one * at the end at most`);
  }
  return { from: from.endsWith("*") ? fullPrefix(from.slice(0, -1)) : fullReference(parseReference(from)), to };
}

/** `python:` is docker.io/library/python: in full; what ends within a name cannot be read as a whole reference. */
function fullPrefix(text: string): string {
  if (text === "") return "*";
  const first = text.split("/")[0] ?? "";
  const hasHost = text.includes("/") && (/[.:]/.test(first) || first === "localhost");
  if (hasHost) return `${text}*`;
  return `docker.io/${text.includes("/") ? "" : "library/"}${text}*`;
}

/** What is used in place of a reference; undefined for one that is used as it is. */
export function mapped(map: readonly MapEntry[], full: string): string | undefined {
  for (const { from, to } of map) {
    if (from === full) return to;
    if (!from.endsWith("*") || !full.startsWith(from.slice(0, -1))) continue;
    return to.endsWith("*") ? `${to.slice(0, -1)}${full.slice(from.length - 1)}` : to;
  }
  return undefined;
}

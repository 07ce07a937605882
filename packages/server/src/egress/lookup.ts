/** Addresses of names, from the machine's name servers, remembered for as long as these say. */
import { promises as dns } from "node:dns";
import { LRUCache } from "../lru-cache.ts";

export type Found =
  | { readonly state: "found"; readonly addresses: readonly string[]; readonly ttlSeconds: number }
  /** `none`: there is such a name, without an IPv4 address. */
  | { readonly state: "none" | "missing" | "failed" };

export type Lookup = (name: string) => Promise<Found>;

interface Remembered {
  readonly found: Promise<Found>;
  until: number;
}

const namesKept = 4096;
const tryMs = 3000;
const tries = 2;
/** A name that changes its addresses with every answer is not asked for with every connection; one that moves is found soon. */
const [shortestSeconds, longestSeconds] = [1, 60];
const missingSeconds = 5;

export function lookup(nameServers: readonly string[]): Lookup {
  const resolver = new dns.Resolver({ timeout: tryMs, tries });
  if (nameServers.length > 0) resolver.setServers([...nameServers]);
  return remembering(async (name) => {
    if (nameServers.length === 0) return { state: "failed" };
    try {
      const records = await resolver.resolve4(name, { ttl: true });
      const ttls = records.map(({ ttl }) => ttl);
      const ttlSeconds = Math.min(longestSeconds, Math.max(shortestSeconds, Math.min(...ttls)));
      return { state: "found", addresses: records.map(({ address }) => address), ttlSeconds };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      return { state: code === dns.NOTFOUND ? "missing" : code === dns.NODATA ? "none" : "failed" };
    }
  });
}

/** Those who ask while an answer is under way share it; a failure is not remembered. */
function remembering(ask: Lookup): Lookup {
  const known = new LRUCache<string, Remembered>(namesKept);
  return (name) => {
    const remembered = known.get(name);
    if (remembered && Date.now() < remembered.until) return remembered.found;
    const entry: Remembered = { found: ask(name), until: Number.POSITIVE_INFINITY };
    known.set(name, entry);
    entry.found.then((found) => {
      const seconds = found.state === "found" ? found.ttlSeconds : found.state === "failed" ? 0 : missingSeconds;
      entry.until = Date.now() + seconds * 1000;
    });
    return entry.found;
  };
}

/** Which name servers a sandbox is told: the host's, unless they listen on the host's own loopback. */
import { readFile } from "node:fs/promises";

export interface Resolver {
  readonly nameServers: readonly string[];
  readonly search: readonly string[];
}

/** systemd-resolved answers on 127.0.0.53 and keeps the servers behind it in the second file. */
const sources = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/**
 * The first source that names a server beyond loopback; without one, names do not resolve inside sandboxes.
 * @param wanted servers to use instead of the host's
 */
export async function hostResolver(wanted: readonly string[]): Promise<Resolver> {
  if (wanted.length > 0) return { nameServers: wanted, search: [] };
  for (const source of sources) {
    const resolver = parseResolver(await readFile(source, "utf8").catch(() => ""));
    if (resolver.nameServers.length > 0) return resolver;
  }
  return { nameServers: [], search: [] };
}

/** @param text in the form of resolv.conf(5) */
export function parseResolver(text: string): Resolver {
  const words = text.split("\n").map((line) => line.trim().split(/\s+/));
  const values = (name: string) => words.filter(([key]) => key === name).flatMap((line) => line.slice(1));
  return {
    nameServers: values("nameserver")
      .filter((address) => !/^127\.|^::1$/.test(address))
      .slice(0, 3),
    search: values("search").slice(0, 6),
  };
}

export function resolvConf({ nameServers, search }: Resolver): string {
  const lines = nameServers.map((address) => `nameserver ${address}`);
  return [...lines, ...(search.length > 0 ? [`search ${search.join(" ")}`] : []), ""].join("\n");
}

/** How tunnels are reached, read from the environment. */
import { readFileSync } from "node:fs";

export interface TunnelConfig {
  readonly host: string;
  /** 0 for one that is chosen once and then kept. */
  readonly port: number;
  /** Names of tunnels end in this. */
  readonly domain: string;
  /** Files in PEM; without them the local authority signs. */
  readonly certificate?: { readonly chain: string; readonly key: string } | undefined;
  /** Most connections at once, of all sandboxes and of one. */
  readonly maxConnections: number;
  readonly maxSandboxConnections: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error that names the variable */
export function tunnelConfig(
  env: Environment,
  given: Pick<TunnelConfig, "host" | "port" | "maxConnections" | "maxSandboxConnections">,
): TunnelConfig {
  const chain = env.ATOLL_TUNNEL_CERTIFICATE || undefined;
  const key = env.ATOLL_TUNNEL_KEY || undefined;
  if ((chain === undefined) !== (key === undefined))
    throw new Error("cannot use one of ATOLL_TUNNEL_CERTIFICATE and ATOLL_TUNNEL_KEY: name both files");
  for (const file of [chain, key]) if (file !== undefined) readFileSync(file);
  const domain = (env.ATOLL_TUNNEL_DOMAIN || "localhost").toLowerCase();
  if (!/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]+$/.test(domain) || domain.length > 200)
    throw new Error(`cannot use ATOLL_TUNNEL_DOMAIN=${domain}: write it as sandboxes.example.com`);
  return {
    ...given,
    domain,
    certificate: chain !== undefined && key !== undefined ? { chain, key } : undefined,
  };
}

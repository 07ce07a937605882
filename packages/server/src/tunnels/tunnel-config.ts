/** How tunnels are reached, read from the environment. */
import { resolve } from "node:path";
import { type CertificateFiles, readPair } from "./certificate-files.ts";

export interface TunnelConfig {
  readonly host: string;
  /** 0 for one that is chosen once and then kept. */
  readonly port: number;
  /** Names of tunnels end in this. */
  readonly domain: string;
  /** Files in PEM; without them the local authority signs. */
  readonly certificate?: CertificateFiles | undefined;
  /** Most connections at once, of all sandboxes and of one. */
  readonly maxConnections: number;
  readonly maxSandboxConnections: number;
}

/** For sandboxes' sockets, the API, and files. */
const reservedFiles = 4000;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error that names the variable or the file */
export function tunnelConfig(
  env: Environment,
  given: Pick<TunnelConfig, "host" | "port" | "maxConnections" | "maxSandboxConnections">,
): TunnelConfig {
  const domain = (env.ATOLL_TUNNEL_DOMAIN || "localhost").toLowerCase();
  if (!/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]+$/.test(domain) || domain.length > 200)
    throw new Error(`cannot use ATOLL_TUNNEL_DOMAIN=${domain}: write it as sandboxes.example.com`);
  const certificate = certificateFiles(env);
  if (certificate) readPair(certificate, domain);
  return { ...given, domain, certificate };
}

/** Pure: connections take two descriptors each, and never those that the rest of the server needs. */
export function withinOpenFiles(config: TunnelConfig, openFiles: number): TunnelConfig {
  const most = Math.floor((openFiles - Math.min(reservedFiles, openFiles / 2)) / 2);
  return {
    ...config,
    maxConnections: Math.min(config.maxConnections, most),
    maxSandboxConnections: Math.min(config.maxSandboxConnections, most),
  };
}

function certificateFiles(env: Environment): CertificateFiles | undefined {
  const { ATOLL_TUNNEL_CERTIFICATE: chain, ATOLL_TUNNEL_KEY: key } = env;
  if (chain && key) return { chain: resolve(chain), key: resolve(key) };
  if (chain || key) throw new Error("cannot use one of ATOLL_TUNNEL_CERTIFICATE and ATOLL_TUNNEL_KEY: name both files");
  return undefined;
}

import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { type MapEntry, parseImageMap } from "./images/registry/image-map.ts";
import type { DiskStoreChoice } from "./layers/disk-store.ts";
import { type HostService, hostServices } from "./network/host-services.ts";
import { type TunnelConfig, tunnelConfig } from "./tunnels/tunnel-config.ts";

/** How the daemon runs, read once from the environment. */
export interface Config {
  /** Holds everything the daemon keeps. */
  readonly stateDirectory: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Most sandboxes that are not finished. */
  readonly maxSandboxes: number;
  /** Most creations at work at once; others are queued. */
  readonly maxCreating: number;
  /** Most bytes kept of one output stream; then the process is held back. */
  readonly outputLimitBytes: number;
  /** Most bytes of output kept of one sandbox. */
  readonly sandboxOutputLimitBytes: number;
  /** Finished sandboxes beyond this number, or older than this, are forgotten together with their output. */
  readonly keepFinished: number;
  readonly keepFinishedMs: number;
  /** Key for secrets at rest, 32 bytes in base64; a key file in the state directory when absent. */
  readonly secretKey?: string | undefined;
  /** The /16 that sandboxes get their addresses from; a free one when absent. */
  readonly subnet?: string | undefined;
  /** Name servers of sandboxes; those of the machine when there are none. */
  readonly nameServers: readonly string[];
  /** Services of this machine that open sandboxes may use. */
  readonly hostServices: readonly HostService[];
  /** Most bytes that a sandbox may write to its disk, when it asks for no limit of its own. */
  readonly defaultDiskBytes: number;
  readonly diskStore: DiskStoreChoice;
  /** Most bytes in a volume that is made without a limit of its own. */
  readonly defaultVolumeBytes: number;
  /** Network slots kept ready for sandboxes to come. */
  readonly readySlots: number;
  /** Sandboxes of each isolation level that are prepared ahead of time. */
  readonly poolSize: number;
  readonly tunnels: TunnelConfig;
  /** Of the API's own port. */
  readonly tls: {
    /** In PEM; one that this server makes when absent. */
    readonly files?: { readonly chain: string; readonly key: string } | undefined;
    /** Whether other machines too may speak without TLS. */
    readonly allowsPlaintext: boolean;
  };
  /** Where others find this server, to verify identity tokens; its own address when absent. */
  readonly issuer?: string | undefined;
  readonly cdiDirectories: readonly string[];
  /** Images that are used in place of those of registries. */
  readonly imageMap: readonly MapEntry[];
  readonly logLevel: string;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
/** sun_path holds 108 bytes, and `/run/<24 characters>/control.sock` follows the state directory. */
const longestStateDirectory = 108 - 46;

/** As many as resolv.conf(5) takes. */
const mostNameServers = 3;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error that names the variable and what it may be */
export function configFrom(env: Environment): Config {
  return {
    stateDirectory: stateDirectory(env),
    listen: address("ATOLL_LISTEN", env.ATOLL_LISTEN || "127.0.0.1:0"),
    maxSandboxes: count(env, "ATOLL_MAX_SANDBOXES", 1000, 1, 100_000),
    maxCreating: count(env, "ATOLL_MAX_CREATING", Math.max(4, 2 * availableParallelism()), 1, 1000),
    outputLimitBytes: count(env, "ATOLL_OUTPUT_LIMIT", 2 * 1024 ** 3, 1024, Number.MAX_SAFE_INTEGER),
    sandboxOutputLimitBytes: count(env, "ATOLL_SANDBOX_OUTPUT_LIMIT", 8 * 1024 ** 3, 1024, Number.MAX_SAFE_INTEGER),
    keepFinished: count(env, "ATOLL_KEEP_FINISHED", 1000, 0, 1_000_000),
    keepFinishedMs: count(env, "ATOLL_KEEP_FINISHED_MS", 24 * 3_600_000, 0, Number.MAX_SAFE_INTEGER),
    secretKey: env.ATOLL_SECRET_KEY || undefined,
    subnet: env.ATOLL_SUBNET || undefined,
    nameServers: nameServers(env),
    hostServices: hostServices(env.ATOLL_HOST_SERVICES ?? ""),
    defaultDiskBytes: count(env, "ATOLL_DEFAULT_DISK", 16 * 1024 ** 3, 1024 ** 2, Number.MAX_SAFE_INTEGER),
    diskStore: oneOf(env, "ATOLL_DISK_STORE", "auto", ["auto", "directory"]),
    defaultVolumeBytes: count(env, "ATOLL_DEFAULT_VOLUME", 16 * 1024 ** 3, 16 * 1024 ** 2, Number.MAX_SAFE_INTEGER),
    poolSize: count(env, "ATOLL_POOL", 2, 0, 1000),
    readySlots: count(env, "ATOLL_READY_SLOTS", 8, 0, 1000),
    tunnels: tunnelConfig(env, {
      ...address("ATOLL_TUNNEL_LISTEN", env.ATOLL_TUNNEL_LISTEN || "127.0.0.1:0"),
      maxConnections: count(env, "ATOLL_TUNNEL_CONNECTIONS", 8000, 1, 1_000_000),
      maxSandboxConnections: count(env, "ATOLL_TUNNEL_SANDBOX_CONNECTIONS", 4000, 1, 1_000_000),
    }),
    tls: tls(env),
    issuer: issuer(env),
    cdiDirectories: (env.ATOLL_CDI_DIRS ?? "/etc/cdi:/var/run/cdi").split(":").filter((path) => path !== ""),
    imageMap: parseImageMap(env.ATOLL_IMAGE_MAP ?? ""),
    logLevel: oneOf(env, "ATOLL_LOG_LEVEL", "info", logLevels),
  };
}

function stateDirectory(env: Environment): string {
  const path = resolve(env.ATOLL_STATE_DIR || "/var/lib/atoll");
  if (Buffer.byteLength(path) <= longestStateDirectory) return path;
  throw new Error(
    `cannot use ATOLL_STATE_DIR=${path}: unix sockets below it need a path of at most ${longestStateDirectory} bytes; choose a shorter one`,
  );
}

/** `host:port`, with brackets around an IPv6 address. */
function address(name: string, text: string): Config["listen"] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new Error(`cannot listen on ${name}=${text}: write it as 127.0.0.1:8080 or [::1]:8080`);
}

function count(env: Environment, name: string, normal: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === "") return normal;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`cannot use ${name}=${text}: it must be a whole number from ${least} to ${most}`);
}

function nameServers(env: Environment): string[] {
  const addresses = (env.ATOLL_NAME_SERVERS ?? "").split(/[ ,]+/).filter((address) => address !== "");
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong === undefined && addresses.length <= mostNameServers) return addresses;
  throw new Error(
    `cannot use ATOLL_NAME_SERVERS=${env.ATOLL_NAME_SERVERS}: write at most ${mostNameServers} addresses, such as 192.0.2.53,192.0.2.54`,
  );
}

function tls(env: Environment): Config["tls"] {
  const chain = env.ATOLL_CERTIFICATE || undefined;
  const key = env.ATOLL_KEY || undefined;
  if ((chain === undefined) !== (key === undefined))
    throw new Error("cannot use one of ATOLL_CERTIFICATE and ATOLL_KEY: name both files");
  const allowsPlaintext = oneOf(env, "ATOLL_ALLOW_PLAINTEXT", "0", ["0", "1"]) === "1";
  return { allowsPlaintext, ...(chain !== undefined && key !== undefined && { files: { chain, key } }) };
}

/** An address as OpenID Connect Discovery 1.0 has issuers: without a query, and here without a slash at the end. */
function issuer(env: Environment): string | undefined {
  const text = env.ATOLL_ISSUER || undefined;
  if (text === undefined || /^https?:\/\/[^/?#\s]+(\/[^?#\s]*[^/?#\s])?$/.test(text)) return text;
  throw new Error(`cannot use ATOLL_ISSUER=${text}: write it as https://atoll.example.com`);
}

function oneOf<T extends string>(env: Environment, name: string, normal: T, allowed: readonly T[]): T {
  const text = env[name] || normal;
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new Error(`cannot use ${name}=${text}: it must be one of ${allowed.join(", ")}`);
}

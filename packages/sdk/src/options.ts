/** The options of `Sandbox.create` and `Sandbox.exec`, and what they become in the native API. */
import type { App } from "./app.ts";
import { checkOptions } from "./arguments.ts";
import type { CallOptions } from "./client.ts";
import { InvalidError } from "./errors.ts";
import type {
  Exec,
  Isolation,
  NetworkPolicy,
  OutboundSecret,
  Pty,
  ReadinessProbe,
  SandboxCreate,
} from "./generated/api.ts";
import type { Image } from "./image.ts";
import { Secret } from "./secret.ts";
import { sizeInBytes } from "./size.ts";
import type { MountableVolume } from "./volume.ts";

/** What a sandbox's own command and a process started by exec have in common. */
interface CommandOptions {
  /** Directory the command starts in. */
  readonly workdir?: string | undefined;
  /** NAME, UID, NAME:GROUP or UID:GID; root when absent. */
  readonly user?: string | undefined;
  /** Environment variables; they win over secrets. */
  readonly env?: { readonly [name: string]: string } | undefined;
  /** Secrets, or names of secrets, whose keys become environment variables. */
  readonly secrets?: readonly (Secret | string)[] | undefined;
  /** A terminal instead of pipes; `true` is one of 24 rows and 80 columns. */
  readonly pty?: boolean | Pty | undefined;
  /** Longest lifetime in milliseconds, counted from the start. */
  readonly timeoutMs?: number | undefined;
}

/** What a sandbox may reach; without any field everything but the machine itself, other sandboxes and link-local addresses. */
export interface NetworkPolicyOptions {
  /** Nothing leaves, by any protocol; loopback inside works. */
  readonly blockNetwork?: boolean | undefined;
  /** Only these IPv4 and IPv6 ranges are reached, such as "203.0.113.0/24"; with an empty list, nothing is. */
  readonly outboundCidrAllowlist?: readonly string[] | undefined;
  /** The same as `outboundCidrAllowlist`. */
  readonly cidrAllowlist?: readonly string[] | undefined;
  /**
   * Only these names are reached, over TLS, HTTP and CONNECT, besides the ranges: "api.example.com", or "*.example.com" for every name below
   * example.com.
   */
  readonly outboundDomainAllowlist?: readonly string[] | undefined;
}

/** A secret that goes into the headers of requests on the way out, and never into the sandbox. */
export interface OutboundSecretOptions {
  /** One name that `outboundDomainAllowlist` allows. */
  readonly domain: string;
  /** A secret of the server, or the name of one. */
  readonly secret: Secret | string;
  /** Set in every request to the name over TLS on port 443; "{{KEY}}" is that key of the secret. */
  readonly headers: { readonly [name: string]: string };
}

export interface SandboxCreateOptions extends CommandOptions, NetworkPolicyOptions, CallOptions {
  /** App, or name of one, that the sandbox belongs to; `default` when absent. */
  readonly app?: App | string | undefined;
  /** Unique among the app's running sandboxes. */
  readonly name?: string | undefined;
  /** Labels to find it by. */
  readonly tags?: { readonly [name: string]: string } | undefined;
  /** An image, built if need be, or the name or id of one; the default base image when absent. */
  readonly image?: Image | string | undefined;
  /** `gvisor` or `container`; the strongest the machine can run when absent. */
  readonly isolation?: Isolation | undefined;
  /** Limit in cores; fractions allowed. */
  readonly cpu?: number | undefined;
  /** Memory limit in bytes, or text such as "512MiB". */
  readonly memory?: number | string | undefined;
  /** Memory limit in bytes. */
  readonly memoryBytes?: number | undefined;
  /** Most processes and threads at once. */
  readonly pidsLimit?: number | undefined;
  /** Most open files of each process. */
  readonly openFilesLimit?: number | undefined;
  /** Most bytes written to disk, or text such as "1GiB". */
  readonly disk?: number | string | undefined;
  /** Most bytes written to disk. */
  readonly diskBytes?: number | undefined;
  /** GPU model and count, such as "A100" or "A100:2", or "any". */
  readonly gpu?: string | undefined;
  /** Longest time in milliseconds without a running exec, stdin or connection. */
  readonly idleTimeoutMs?: number | undefined;
  /** A private network of the app: its members reach each other by name and address, and nobody else reaches them. */
  readonly network?: string | undefined;
  /** Secrets that go into headers of requests on the way out; the sandbox never has them. */
  readonly outboundSecrets?: readonly OutboundSecretOptions[] | undefined;
  /** Ports that are reached over TLS, see `tunnels`. */
  readonly encryptedPorts?: readonly number[] | undefined;
  /** The same for services that speak HTTP/2. */
  readonly h2Ports?: readonly number[] | undefined;
  /** Ports that are reached over plain TCP too. */
  readonly unencryptedPorts?: readonly number[] | undefined;
  /** Ranges of addresses that may use the tunnels; everyone when absent. */
  readonly inboundCidrAllowlist?: readonly string[] | undefined;
  /** `waitUntilReady` waits for a TCP port inside the sandbox, or for a command that exits with 0. */
  readonly readinessProbe?: ReadinessProbe | undefined;
  /**
   * A signed token in the environment that says which sandbox this is, valid for as long as it may run: as ATOLL_IDENTITY_TOKEN, or
   * in the variable of this name.
   */
  readonly identityToken?: boolean | string | undefined;
  /** Volumes, by the path that each is mounted at. */
  readonly volumes?: { readonly [path: string]: MountableVolume } | undefined;
}

export interface ExecOptions extends CommandOptions {
  /** Keep stdin open for writing; true when absent. With false it reads as empty. */
  readonly stdin?: boolean | undefined;
  /** Ends the wait for the start. */
  readonly signal?: AbortSignal | undefined;
}

type Names<Options> = { readonly [name in keyof Required<Options>]: true };

const commandOptionNames = { workdir: true, user: true, env: true, secrets: true, pty: true, timeoutMs: true } as const;
const networkPolicyNames: Names<NetworkPolicyOptions> = {
  blockNetwork: true,
  outboundCidrAllowlist: true,
  cidrAllowlist: true,
  outboundDomainAllowlist: true,
};
const execOptionNames: Names<ExecOptions> = { ...commandOptionNames, stdin: true, signal: true };
const createOptionNames: Names<SandboxCreateOptions> = {
  app: true,
  name: true,
  tags: true,
  image: true,
  isolation: true,
  ...commandOptionNames,
  cpu: true,
  memory: true,
  memoryBytes: true,
  pidsLimit: true,
  openFilesLimit: true,
  disk: true,
  diskBytes: true,
  gpu: true,
  idleTimeoutMs: true,
  ...networkPolicyNames,
  network: true,
  outboundSecrets: true,
  encryptedPorts: true,
  h2Ports: true,
  unencryptedPorts: true,
  inboundCidrAllowlist: true,
  readinessProbe: true,
  identityToken: true,
  volumes: true,
  client: true,
  signal: true,
};

/** The body of the request that creates a sandbox. Throws `InvalidError` for an option that does not exist. */
export function sandboxCreateBody(argv: readonly string[], options: SandboxCreateOptions): SandboxCreate {
  checkOptions("create a sandbox", options, createOptionNames);
  const {
    app,
    memory,
    memoryBytes,
    disk,
    diskBytes,
    image,
    identityToken,
    cidrAllowlist: _alias,
    volumes: _volumes,
    ...others
  } = options;
  const { client: _client, signal: _signal, ...rest } = others;
  return {
    ...rest,
    ...cidrField("create a sandbox", options),
    outboundDomainAllowlist: options.outboundDomainAllowlist && [...options.outboundDomainAllowlist],
    outboundSecrets: options.outboundSecrets?.map(outboundSecret),
    image: typeof image === "object" ? undefined : image,
    ...commandFields(options),
    command: argv.length > 0 ? argv : undefined,
    app: typeof app === "object" ? app.name : app,
    memoryBytes: size("memory", memory, memoryBytes),
    diskBytes: size("disk", disk, diskBytes),
    identityToken: identityToken === true ? "ATOLL_IDENTITY_TOKEN" : identityToken || undefined,
  };
}

function outboundSecret({ domain, secret, headers }: OutboundSecretOptions): OutboundSecret {
  const name = typeof secret === "string" ? secret : secret.name;
  if (name !== undefined) return { domain, secret: name, headers };
  throw new InvalidError(`cannot send a secret of this program to ${domain}`, {
    code: "invalid_argument",
    hint: "Keep it at the server with `atoll secret create`, and use Secret.fromName.",
  });
}

/** The body of the request that replaces a network policy. Throws `InvalidError` for an option that does not exist. */
export function networkPolicyBody(options: NetworkPolicyOptions): NetworkPolicy {
  checkOptions("change the network policy", options, networkPolicyNames);
  const { blockNetwork, outboundDomainAllowlist: domains } = options;
  return {
    blockNetwork,
    ...cidrField("change the network policy", options),
    outboundDomainAllowlist: domains && [...domains],
  };
}

function cidrField(what: string, { outboundCidrAllowlist, cidrAllowlist }: NetworkPolicyOptions) {
  if (outboundCidrAllowlist && cidrAllowlist)
    throw new InvalidError(`cannot ${what} with both outboundCidrAllowlist and cidrAllowlist`, {
      code: "invalid_argument",
      hint: "They are two names of one option: give one of them.",
    });
  const ranges = outboundCidrAllowlist ?? cidrAllowlist;
  return { outboundCidrAllowlist: ranges && [...ranges] };
}

/** The body of the request that starts a process. Throws `InvalidError` for an option that does not exist. */
export function execBody(argv: readonly string[], options: ExecOptions): Exec {
  checkOptions("exec", options, execOptionNames);
  const { signal: _signal, ...rest } = options;
  return { ...rest, ...commandFields(options), argv };
}

function commandFields(options: CommandOptions) {
  return { ...Secret.merge(options.secrets, options.env), pty: ptyOf(options.pty) };
}

function ptyOf(pty: boolean | Pty | undefined): Pty | undefined {
  if (pty === true) return { rows: 24, cols: 80 };
  return pty === false ? undefined : pty;
}

function size(name: string, size: number | string | undefined, bytes: number | undefined): number | undefined {
  if (size === undefined) return bytes;
  if (bytes === undefined) return sizeInBytes(name, size);
  throw new InvalidError(`cannot create a sandbox with both ${name} and ${name}Bytes`, {
    code: "invalid_argument",
    hint: `Give one of ${name} and ${name}Bytes.`,
  });
}

/** What the options of the command line are called in the SDK. Pure. */
import type { ExecOptions, NetworkPolicyOptions, Pty, SandboxCreateOptions } from "@atoll/sdk";
import type { Values } from "./option.ts";
import type { commandOptions, networkOptions, sandboxOptions } from "./options.ts";
import type { WantedVolume } from "./volume-option.ts";

export function createOptions(values: Values<typeof sandboxOptions>, pty: Pty | undefined): SandboxCreateOptions {
  return {
    ...processOptions(values, pty),
    image: values.image,
    isolation: values.isolation,
    cpu: values.cpu,
    memoryBytes: values.memory,
    diskBytes: values.disk,
    pidsLimit: values.pids,
    openFilesLimit: values["open-files"],
    gpu: values.gpu,
    idleTimeoutMs: values["idle-timeout"],
    ...networkPolicy(values),
    network: values.network,
    outboundSecrets: given(values["inject-secret"]),
    encryptedPorts: given(values.port),
    h2Ports: given(values["h2-port"]),
    unencryptedPorts: given(values["unencrypted-port"]),
    inboundCidrAllowlist: given(values["inbound-cidr"]),
    identityToken: values["identity-token"] || undefined,
    volumes: mounted(values.volume),
    app: values.app,
    name: values.name,
    tags: Object.keys(values.tag).length > 0 ? values.tag : undefined,
  };
}

export function networkPolicy(values: Values<typeof networkOptions>): NetworkPolicyOptions {
  return {
    blockNetwork: values["block-network"] || undefined,
    outboundCidrAllowlist: given(values["allow-cidr"]),
    outboundDomainAllowlist: given(values["allow-domain"]),
  };
}

function given<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length > 0 ? values : undefined;
}

function mounted(wanted: readonly WantedVolume[]): SandboxCreateOptions["volumes"] {
  if (wanted.length === 0) return undefined;
  return Object.fromEntries(wanted.map(({ path, ...volume }) => [path, volume]));
}

export function processOptions(values: Values<typeof commandOptions>, pty: Pty | undefined): ExecOptions {
  return {
    env: values.env,
    secrets: values.secret,
    workdir: values.workdir,
    user: values.user,
    timeoutMs: values.timeout,
    pty,
  };
}

/** The terminal that atoll runs in, as the size and kind of the one inside. One that does not know its size says 0. */
export function ownPty(): Pty {
  const { rows, columns } = process.stdout;
  return { rows: rows || 24, cols: columns || 80, term: process.env.TERM || "xterm-256color" };
}

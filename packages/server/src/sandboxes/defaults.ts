import { availableParallelism, totalmem } from "node:os";
import { basename } from "node:path";
import type { NetworkPolicy, SandboxCreate } from "@atoll/protocol";
import type { SandboxSpec } from "../store/rows.ts";
import { baseImage, type Image } from "./image.ts";

const gibibyte = 1024 ** 3;

/** What this machine can give at most. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Hard limit of open files that the daemon, and so everything below it, has inherited. */
  readonly openFiles: number;
}

export function thisMachine(limitsFile: string): MachineSize {
  return { cpus: availableParallelism(), memoryBytes: totalmem(), openFiles: openFilesIn(limitsFile) };
}

/** Reads the hard limit from the text of /proc/self/limits. */
export function openFilesIn(limitsFile: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limitsFile)?.[1];
  return hard === undefined || hard === "unlimited" ? 1_048_576 : Number(hard);
}

/** The same numbers as Modal's where Modal has them; the others are large enough to be met only by mistake or malice. */
export function withDefaults(
  request: SandboxCreate,
  isolation: SandboxSpec["isolation"],
  image: Image,
  machine: MachineSize,
): SandboxSpec {
  return {
    command: [...(image.entrypoint ?? []), ...(request.command ?? image.cmd ?? [])],
    image: request.image ?? baseImage,
    imageId: image.id,
    layers: image.layers.map((path) => basename(path)),
    isolation,
    workdir: request.workdir ?? image.workdir,
    user: request.user ?? image.user,
    pty: request.pty,
    cpu: Math.min(request.cpu ?? machine.cpus, machine.cpus),
    memoryBytes: request.memoryBytes ?? Math.min(2 * gibibyte, machine.memoryBytes),
    pidsLimit: request.pidsLimit ?? 4096,
    openFilesLimit: Math.min(request.openFilesLimit ?? 65_536, machine.openFiles),
    diskBytes: request.diskBytes,
    gpu: request.gpu,
    timeoutMs: request.timeoutMs ?? 300_000,
    idleTimeoutMs: request.idleTimeoutMs,
    encryptedPorts: request.encryptedPorts,
    h2Ports: request.h2Ports,
    unencryptedPorts: request.unencryptedPorts,
    inboundCidrAllowlist: request.inboundCidrAllowlist,
    outboundSecrets: request.outboundSecrets,
    readinessProbe: request.readinessProbe,
  };
}

/** Pure: what of a request, or of a policy in it, is network policy. */
export function networkPolicyOf(policy: NetworkPolicy): NetworkPolicy {
  const { blockNetwork, outboundCidrAllowlist, outboundDomainAllowlist } = policy;
  return {
    ...(blockNetwork && { blockNetwork }),
    ...(outboundCidrAllowlist && { outboundCidrAllowlist: [...outboundCidrAllowlist] }),
    ...(outboundDomainAllowlist && { outboundDomainAllowlist: [...outboundDomainAllowlist] }),
  };
}

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Later parts win; PATH and, with a terminal, TERM are always set. */
export function environmentOf(...parts: readonly Readonly<Record<string, string>>[]): Readonly<Record<string, string>> {
  return Object.assign({ PATH: path }, ...parts);
}

export function termOf(pty: { readonly term?: string | undefined } | undefined): Readonly<Record<string, string>> {
  return pty ? { TERM: pty.term ?? "xterm-256color" } : {};
}

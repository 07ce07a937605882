/** What the store keeps, one shape a table. Times are milliseconds since the epoch. */
import type {
  Exec,
  ImageConfig,
  ImageOrigin,
  MountedVolume,
  NetworkPolicy,
  OutboundSecret,
  Pty,
  Result,
  SandboxCreate,
  SandboxState,
  TimelineEntry,
} from "@atoll/protocol";
import type { HolderRecord, Mounted } from "../engine/engine.ts";
import type { Traffic } from "../network/traffic.ts";

/** A request with every default filled in. Values of variables are not here but sealed in `environment`. */
export interface SandboxSpec {
  readonly command: readonly string[];
  /** As its creator named it. */
  readonly image: string;
  readonly imageId?: string | undefined;
  /** Ids of the layers it stands on. */
  readonly layers?: readonly string[] | undefined;
  readonly isolation: "gvisor" | "container";
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly pty?: Pty | undefined;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly pidsLimit: number;
  readonly openFilesLimit: number;
  readonly diskBytes?: number | undefined;
  readonly gpu?: string | undefined;
  readonly timeoutMs: number;
  readonly idleTimeoutMs?: number | undefined;
  /** Absent in rows that are older than tunnels. */
  readonly encryptedPorts?: readonly number[] | undefined;
  readonly h2Ports?: readonly number[] | undefined;
  readonly unencryptedPorts?: readonly number[] | undefined;
  readonly inboundCidrAllowlist?: readonly string[] | undefined;
  /** The private network it is in; the number tells it from all others. */
  readonly network?: { readonly name: string; readonly number: number } | undefined;
  readonly outboundSecrets?: readonly OutboundSecret[] | undefined;
  readonly volumes?: readonly MountedVolume[] | undefined;
  readonly readinessProbe?: NonNullable<SandboxCreate["readinessProbe"]> | undefined;
}

export interface SandboxRow {
  readonly id: string;
  /** Grows with every sandbox made on this machine: the order of lists, and their cursor. */
  readonly sequence: number;
  readonly app: string;
  /** Within its app, of those that have not finished. */
  name?: string | undefined;
  readonly spec: SandboxSpec;
  /** The sealed environment of its processes. */
  readonly environment: Uint8Array;
  readonly createdAt: number;
  tags: Readonly<Record<string, string>>;
  networkPolicy: NetworkPolicy;
  state: SandboxState;
  /** Why it is to end; written before the ending begins, so that a restart carries it through. */
  ending?: Result | undefined;
  result?: Result | undefined;
  holder?: HolderRecord | undefined;
  /** False while something of the holder may be left on the machine. */
  isDestroyed: boolean;
  /** CDI names of the devices it has to itself. */
  gpus: readonly string[];
  /** The machine's port for each unencrypted one. */
  hostPorts: Readonly<Record<number, number>>;
  startedAt?: number | undefined;
  deadlineAt?: number | undefined;
  /** Accurate to a second or so; see `idle.ts`. */
  lastActiveAt?: number | undefined;
  readyAt?: number | undefined;
  finishedAt?: number | undefined;
  timeline: readonly TimelineEntry[];
}

export interface ProcessRow {
  readonly sandboxId: string;
  /** Names it towards init; never used twice in a sandbox. */
  readonly number: number;
  readonly id: string;
  readonly argv: readonly string[];
  readonly pty?: Exec["pty"] | undefined;
  readonly keepsStdin: boolean;
  readonly createdAt: number;
  deadlineAt?: number | undefined;
  startedAt?: number | undefined;
  finishedAt?: number | undefined;
  result?: Result | undefined;
  /** Lengths of its output, once both streams have ended and init has forgotten the process. */
  output?: { readonly stdoutBytes: number; readonly stderrBytes: number } | undefined;
}

export interface ImageRow {
  readonly id: string;
  /** Key of the whole recipe, for one that was built and may be found again instead. */
  readonly recipe?: string | undefined;
  /** Ids of layers, the lowest first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  readonly origin: ImageOrigin;
  readonly createdAt: number;
  usedAt: number;
  /** When it is removed, unless it is used. */
  readonly expiresAt?: number | undefined;
}

/** Something mounted into a sandbox after its root. */
export interface MountRow {
  readonly sandboxId: string;
  readonly path: string;
  /** Of an image's mount. */
  readonly imageId?: string | undefined;
  /** Ids of the layers it stands on. */
  readonly layers: readonly string[];
  readonly mounted: Mounted;
}

/** An immutable directory tree of the store. */
export interface LayerRow {
  readonly id: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
}

export interface VolumeRow {
  readonly id: string;
  /** Undefined for an ephemeral one. */
  name?: string | undefined;
  readonly isShared: boolean;
  /** Which version of Modal's volumes it was made as: their clients have calls of their own for each. Here all are kept alike. */
  readonly format: number;
  /** Most bytes in it; undefined for one that an earlier version made. */
  readonly limitBytes?: number | undefined;
  /** Ids of the layers of its head, the lowest first; a shared one has none. */
  layers: readonly string[];
  /** Grows with every change. */
  version: number;
  readonly createdAt: number;
  updatedAt: number;
  /** When an ephemeral one is removed, unless it is used. */
  expiresAt?: number | undefined;
}

/** A volume as a sandbox that has not ended has it. */
export interface VolumeMountRow {
  readonly sandboxId: string;
  readonly number: number;
  readonly volumeId: string;
  readonly path: string;
  readonly readOnly: boolean;
  readonly subPath?: string | undefined;
  /** The volume's version that it last saw. */
  version: number;
  /** What of its working copy is in the volume; see volumes/manifest.ts. */
  committed: Uint8Array;
  /** What a reload that is under way changes in the copy; see volumes/catch-up.ts. */
  reload?: Uint8Array | undefined;
}

/** A file that a client has open by a descriptor. */
export interface OpenFileRow {
  readonly id: string;
  readonly sandboxId: string;
  readonly path: string;
  /** As open() of Python has it. */
  readonly mode: string;
  /** Where the next read or write begins. */
  readonly position: number;
}

export interface AppRow {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface EnvironmentRow {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface SecretRow {
  readonly id: string;
  readonly name?: string | undefined;
  readonly keys: readonly string[];
  readonly sealed: Uint8Array;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly usedAt: number;
}

export interface TokenRow {
  readonly id: string;
  readonly name: string;
  /** sha-256 of the token. */
  readonly hash: Uint8Array;
  readonly createdAt: number;
  readonly lastUsedAt?: number | undefined;
}

/** What a request that carried an Idempotency-Key made. */
export interface AnswerRow {
  /** The operation, what it was asked of, and the key. */
  readonly scope: string;
  readonly requestHash: Uint8Array;
  readonly madeId: string;
  readonly createdAt: number;
}

/** What a sandbox did towards one destination. */
export interface TrafficRow extends Traffic {
  readonly sandboxId: string;
}

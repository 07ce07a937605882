// Generated from packages/protocol by scripts/generate-sdk-types.ts; change the table of routes instead.

export type ErrorCode =
  | "invalid_argument"
  | "unauthenticated"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "idempotency_mismatch"
  | "sandbox_finished"
  | "process_finished"
  | "offset_out_of_range"
  | "payload_too_large"
  | "capacity"
  | "isolation_unavailable"
  | "gpu_unavailable"
  | "unsupported"
  | "build_failed"
  | "failed_to_start"
  | "file_not_found"
  | "is_a_directory"
  | "not_a_directory"
  | "file_exists"
  | "permission_denied"
  | "not_empty"
  | "no_space"
  | "read_only"
  | "filesystem_error"
  | "timeout"
  | "unavailable"
  | "internal";

export type App = {
  /** Id of the app. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name: string;
  readonly createdAt: string;
};

export type AppList = {
  readonly items: readonly App[];
};

export type AppLookup = {
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name: string;
  readonly createIfMissing?: boolean | undefined;
};

export type ConnectToken = {
  readonly url: string;
  readonly token: string;
  readonly expiresAt: string;
};

export type ConnectTokenCreate = {
  /** Of the service; 8080 when absent. */
  readonly port?: number | undefined;
  /** Printable ASCII, which the service receives as the header X-Verified-User-Data. */
  readonly userMetadata?: string | undefined;
  /** How long it is valid; an hour when absent. */
  readonly ttlMs?: number | undefined;
};

export type DiskEntry = {
  readonly kind: DiskKind;
  readonly count: number;
  /** Bytes on the disk, holes left out; a layer that several have counts once. */
  readonly sizeBytes: number;
  /** The part of it in layers that several images or volumes have. */
  readonly sharedBytes: number;
};

export type DiskKind = "images" | "snapshots" | "build_cache" | "volumes" | "other_layers" | "sandbox_disks" | "volume_copies" | "shared_volumes" | "output" | "build_logs" | "uploads";

export type DiskStore = {
  /** Whether sandboxes' disks are on a file system with reflinks, on one that the server made in a file, or in a plain directory, where a snapshot takes as long as its copy. */
  readonly kind: "reflinks" | "image" | "plain";
  /** Why it is plain. */
  readonly reason?: string | undefined;
};

export type DiskUse = {
  /** The file system of the state directory. */
  readonly fileSystem: {
    readonly path: string;
    readonly sizeBytes: number;
    readonly freeBytes: number;
  };
  /** All layers of images, snapshots, build cache and volumes, each counted once. */
  readonly layers: {
    readonly count: number;
    readonly sizeBytes: number;
  };
  readonly entries: readonly DiskEntry[];
  readonly freeable: {
    /** Layers that `gc` would remove. */
    readonly gcBytes: number;
    /** Layers that pruning images would remove, those of `gc` among them. */
    readonly pruneBytes: number;
  };
};

export type Exec = {
  readonly argv: readonly string[];
  /** Environment variables. */
  readonly env?: { readonly [name: string]: string } | undefined;
  readonly secrets?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly pty?: Pty | undefined;
  readonly timeoutMs?: number | undefined;
  /** Keep stdin open for writing; true when absent. With false it reads as empty. */
  readonly stdin?: boolean | undefined;
};

export type FileEntry = {
  /** Last part of the path. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
  /** The bytes of a path that is not UTF-8; `path` has U+FFFD in their place then. */
  readonly pathBase64?: string | undefined;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  /** Bytes. */
  readonly size: number;
  /** Permission bits, as chmod(2). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: string;
  /** Where a symlink points, as it says. */
  readonly linkTarget?: string | undefined;
};

export type FileEvent = {
  readonly type: FileEventType;
  /** Absolute path; after a rename the new one. */
  readonly path: string;
  /** The old path of a rename. */
  readonly from?: string | undefined;
  /** A create or remove that is a move from or to outside of what is watched. */
  readonly moved?: boolean | undefined;
};

export type FileEventType = "create" | "modify" | "remove" | "rename" | "overflow";

export type GcReport = {
  /** What belonged to no sandbox. */
  readonly found: readonly ({
    readonly kind: "process" | "mount" | "network" | "cgroup" | "file";
    readonly what: string;
    readonly removed: boolean;
  })[];
};

export type Image = {
  /** Id of the image. */
  readonly id: string;
  readonly names: readonly string[];
  readonly config: ImageConfig;
  /** Names of its layers, the lowest first. */
  readonly layers: readonly string[];
  /** Bytes of all its layers; layers are shared between images. */
  readonly sizeBytes: number;
  readonly origin: ImageOrigin;
  readonly createdAt: string;
  readonly usedAt: string;
  readonly expiresAt?: string | undefined;
};

export type ImageBuild = {
  /** An image of this server, one of a registry, Debian with a version of Python, an empty root, or what a Dockerfile makes. */
  readonly from: ImageSource;
  readonly steps: readonly ImageStep[];
  /** NAME or NAME:TAG; the tag is `latest` when absent. */
  readonly name?: string | undefined;
  /** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
  readonly isolation?: Isolation | undefined;
  /** Run every step again, whatever is cached. */
  readonly force?: boolean | undefined;
};

/** One line of a build's answer. */
export type ImageBuildEvent = {
  readonly event: "step";
  readonly step: number;
  readonly of: number;
  readonly text: string;
  readonly cached: boolean;
} | {
  readonly event: "output";
  readonly step: number;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
} | {
  readonly event: "finished";
  readonly step: number;
  readonly durationMs: number;
} | {
  readonly event: "note";
  readonly text: string;
} | {
  readonly event: "progress";
  readonly what: string;
  readonly bytes: number;
  /** When it is known. */
  readonly of?: number | undefined;
} | {
  readonly event: "image";
  readonly image: Image;
} | {
  readonly event: "failed";
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  };
  /** Counted from 1. */
  readonly step?: number | undefined;
  readonly text?: string | undefined;
  readonly exitCode?: number | undefined;
  /** The last lines the step wrote. */
  readonly output?: readonly string[] | undefined;
};

export type ImageBuildStarted = {
  /** Id of the image, also of one that will fail. */
  readonly image: string;
  /** Whether it was built before. */
  readonly isBuilt: boolean;
};

export type ImageConfig = {
  /** Environment variables. */
  readonly env: { readonly [name: string]: string };
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  /** The command and its arguments; no shell is involved. */
  readonly entrypoint?: readonly string[] | undefined;
  /** The command and its arguments; no shell is involved. */
  readonly cmd?: readonly string[] | undefined;
  /** The command and its arguments; no shell is involved. */
  readonly shell?: readonly string[] | undefined;
  readonly labels?: { readonly [name: string]: string } | undefined;
  /** Such as 80/tcp; a note, nothing is opened by it. */
  readonly ports?: readonly string[] | undefined;
};

export type ImageContent = {
  readonly digest: string;
  readonly sizeBytes: number;
};

export type ImageImport = {
  readonly content: string;
  /** NAME or NAME:TAG; the tag is `latest` when absent. */
  readonly name?: string | undefined;
};

/** One line of an import's answer. */
export type ImageImportEvent = {
  readonly event: "progress";
  readonly what: string;
  readonly bytes: number;
  /** When it is known. */
  readonly of?: number | undefined;
} | {
  readonly event: "image";
  readonly image: Image;
} | {
  readonly event: "failed";
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  };
};

export type ImageList = {
  readonly items: readonly Image[];
};

/** One line of a build's log. */
export type ImageLogEntry = {
  /** Counted from 1; what to go on after. */
  readonly entry: number;
  /** One line of a build's answer. */
  readonly event: ImageBuildEvent;
};

export type ImageNaming = {
  /** NAME or NAME:TAG; the tag is `latest` when absent. */
  readonly name: string;
};

export type ImageOrigin = {
  readonly kind: "base" | "build" | "snapshot" | "pull" | "import";
  /** What it was made from: an image, a sandbox, a reference or a digest. */
  readonly of?: string | undefined;
};

export type ImagePrune = {
  /** Ids of the images that were, or would be, removed. */
  readonly images: readonly string[];
  readonly freedBytes: number;
};

export type ImagePush = {
  /** HOST/NAME:TAG; names without a host are Docker Hub's. */
  readonly reference: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly secret?: string | undefined;
};

/** One line of a push's answer. */
export type ImagePushEvent = {
  readonly event: "progress";
  readonly what: string;
  readonly bytes: number;
  /** When it is known. */
  readonly of?: number | undefined;
} | {
  readonly event: "pushed";
  readonly pushed: ImagePushed;
} | {
  readonly event: "failed";
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  };
};

export type ImagePushed = {
  /** In full. */
  readonly reference: string;
  /** Of the image's manifest, by which the registry gives exactly this image. */
  readonly digest: string;
};

/** An image of this server, one of a registry, Debian with a version of Python, an empty root, or what a Dockerfile makes. */
export type ImageSource = {
  readonly image: string;
} | {
  /** Image of a registry, such as python:3.12-slim or registry.example:5000/team/app@sha256:... */
  readonly registry: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly secret?: string | undefined;
} | {
  /** Debian with this Python: the base image, or a registry's python:VERSION-slim. */
  readonly pythonVersion: string;
} | {
  readonly scratch: true;
} | {
  /** Text of a whole Dockerfile. */
  readonly dockerfile: string;
  /** Stage to build; the last one when absent. */
  readonly target?: string | undefined;
  /** An uploaded archive that COPY and ADD take from. */
  readonly context?: string | undefined;
  readonly args?: { readonly [name: string]: string } | undefined;
  /** Names that FROM and COPY --from may use, and the images of this server that they mean. */
  readonly images?: { readonly [name: string]: string } | undefined;
  /** Environment variables. */
  readonly env?: { readonly [name: string]: string } | undefined;
  readonly secrets?: readonly string[] | undefined;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly registrySecret?: string | undefined;
};

/** Exactly one of: a command, an uploaded archive to unpack at a path, lines of a Dockerfile, or a change of what processes start with. */
export type ImageStep = {
  /** Text is given to the shell, a list is executed as it is. */
  readonly run: string | readonly string[];
  /** Environment variables. */
  readonly env?: { readonly [name: string]: string } | undefined;
  readonly secrets?: readonly string[] | undefined;
} | {
  readonly add: string;
  readonly path: string;
  readonly text?: string | undefined;
} | {
  /** Lines of a Dockerfile, without FROM. */
  readonly commands: string;
  /** An uploaded archive that COPY and ADD take from. */
  readonly context?: string | undefined;
  readonly args?: { readonly [name: string]: string } | undefined;
  /** Names that FROM and COPY --from may use, and the images of this server that they mean. */
  readonly images?: { readonly [name: string]: string } | undefined;
  /** Environment variables. */
  readonly env?: { readonly [name: string]: string } | undefined;
  readonly secrets?: readonly string[] | undefined;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly registrySecret?: string | undefined;
} | {
  /** Environment variables. */
  readonly env: { readonly [name: string]: string };
} | {
  readonly workdir: string;
} | {
  readonly user: string;
} | {
  /** The command and its arguments; no shell is involved. */
  readonly entrypoint: readonly string[];
} | {
  /** The command and its arguments; no shell is involved. */
  readonly cmd: readonly string[];
} | {
  /** The command and its arguments; no shell is involved. */
  readonly shell: readonly string[];
};

/** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
export type Isolation = "gvisor" | "container";

export type IsolationStatus = {
  /** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
  readonly isolation: Isolation;
  readonly available: boolean;
  readonly detail: string;
};

export type Log = {
  readonly items: readonly ({
    readonly at: string;
    readonly stream: "stdout" | "stderr";
    /** A line with its line feed, if it has one; longer than 64 KiB in several. */
    readonly text: string;
  })[];
  /** Offset where reading stdout goes on behind these. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
};

export type Mount = {
  /** Absolute path of a directory inside. */
  readonly path: string;
  /** Id of the image that is mounted there. */
  readonly image?: string | undefined;
  /** Whether nothing can be written there. */
  readonly readOnly: boolean;
};

export type MountedVolume = {
  /** Id of the volume. */
  readonly volumeId: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name?: string | undefined;
  readonly path: string;
  readonly readOnly: boolean;
  readonly subPath?: string | undefined;
};

export type NetworkLog = {
  readonly items: readonly NetworkLogEntry[];
};

export type NetworkLogEntry = {
  /** The name that was asked for, as the sandbox wrote it. */
  readonly destination: string;
  readonly port: number;
  /** tcp: connections and requests; dns: questions to the name server that were refused. */
  readonly protocol: "tcp" | "dns";
  readonly verdict: "allowed" | "refused";
  /** Why it was refused. */
  readonly reason?: string | undefined;
  /** Where the name led to, at the last connection. */
  readonly address?: string | undefined;
  /** The secret that was put into requests. */
  readonly secret?: string | undefined;
  /** Connections, requests with a secret in them, or refusals. */
  readonly count: number;
  /** Out of the sandbox. */
  readonly sentBytes: number;
  /** Into the sandbox. */
  readonly receivedBytes: number;
  readonly firstAt: string;
  readonly lastAt: string;
};

/** What a sandbox may reach. Without any field: everything but the host, other sandboxes and link-local. */
export type NetworkPolicy = {
  /** Nothing leaves, by any protocol; loopback inside works. Excludes allowlists. */
  readonly blockNetwork?: boolean | undefined;
  /** Only these IPv4 and IPv6 ranges are reached, such as 203.0.113.0/24, and what outboundDomainAllowlist adds; with an empty list, nothing is. */
  readonly outboundCidrAllowlist?: readonly string[] | undefined;
  /** Only these names are reached, over TLS on port 443, HTTP on port 80 and the proxy on port 3128, and what outboundCidrAllowlist adds: api.example.com, or *.example.com for every name below it. */
  readonly outboundDomainAllowlist?: readonly string[] | undefined;
};

export type NewToken = {
  /** Id of the token. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. */
  readonly name: string;
  readonly createdAt: string;
  /** Shown this once; only a hash is kept. */
  readonly token: string;
};

export type OutboundSecret = {
  /** One name that outboundDomainAllowlist allows. */
  readonly domain: string;
  /** Name or id of a secret of the server. */
  readonly secret: string;
  /** Set in every request to the name over TLS on port 443; {{KEY}} is that key of the secret. */
  readonly headers: { readonly [name: string]: string };
};

export type PrivateNetwork = {
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly app: string;
  /** A private network of the app: its members reach each other, and nobody else reaches them. Lower-case letters, digits and '-'; at most 63. */
  readonly name: string;
  readonly members: readonly ({
    /** Id of the sandbox. */
    readonly sandboxId: string;
    /** Letters, digits, '.', '_' and '-'; at most 64. */
    readonly name?: string | undefined;
    /** Absent until it has one. */
    readonly address?: string | undefined;
  })[];
};

export type PrivateNetworkList = {
  readonly items: readonly PrivateNetwork[];
};

export type Process = {
  /** Id of the process; `main` is the sandbox's own command. */
  readonly id: string;
  /** Id of its sandbox. */
  readonly sandboxId: string;
  /** The command and its arguments; no shell is involved. */
  readonly argv: readonly string[];
  readonly state: "starting" | "running" | "finished";
  readonly result?: Result | undefined;
  readonly pty?: Pty | undefined;
  readonly startedAt?: string | undefined;
  readonly finishedAt?: string | undefined;
  /** Bytes of stdout kept so far; also the offset where reading it continues. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /** The log is at its limit and the process is being held back. */
  readonly outputLimited: boolean;
};

export type ProcessList = {
  readonly items: readonly Process[];
};

export type Pty = {
  readonly rows: number;
  readonly cols: number;
  /** Value of TERM; xterm-256color when absent. */
  readonly term?: string | undefined;
};

/** Ready once a TCP connection to the port succeeds inside the sandbox, or once the command exits with 0. */
export type ReadinessProbe = {
  readonly tcpPort: number;
  readonly intervalMs?: number | undefined;
} | {
  /** The command and its arguments; no shell is involved. */
  readonly exec: readonly string[];
  readonly intervalMs?: number | undefined;
};

export type Result = {
  readonly kind: "exited" | "signalled" | "timed_out" | "idle_timed_out" | "terminated" | "out_of_memory" | "failed_to_start" | "lost";
  /** As a shell reports it: 124 for a time limit, 137 for terminated, 128+n for signal n. */
  readonly exitCode: number;
  /** Name of the signal, such as SIGKILL. */
  readonly signal?: string | undefined;
  /** Why, in words, when the exit code does not say it. */
  readonly message?: string | undefined;
};

export type Sandbox = {
  /** Id of the sandbox. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly app: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. */
  readonly name?: string | undefined;
  /** Labels to find sandboxes by. */
  readonly tags: { readonly [name: string]: string };
  readonly state: SandboxState;
  readonly result?: Result | undefined;
  /** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
  readonly isolation: Isolation;
  readonly image: string;
  /** The command and its arguments; no shell is involved. */
  readonly command: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly pty?: Pty | undefined;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly pidsLimit: number;
  readonly openFilesLimit: number;
  readonly diskBytes?: number | undefined;
  /** CDI names of the devices given to the sandbox. */
  readonly gpus?: readonly string[] | undefined;
  readonly timeoutMs: number;
  readonly idleTimeoutMs?: number | undefined;
  readonly blockNetwork: boolean;
  /** Only these IPv4 and IPv6 ranges are reached, such as 203.0.113.0/24, and what outboundDomainAllowlist adds; with an empty list, nothing is. */
  readonly outboundCidrAllowlist?: readonly string[] | undefined;
  /** Only these names are reached, over TLS on port 443, HTTP on port 80 and the proxy on port 3128, and what outboundCidrAllowlist adds: api.example.com, or *.example.com for every name below it. */
  readonly outboundDomainAllowlist?: readonly string[] | undefined;
  readonly outboundSecrets?: readonly OutboundSecret[] | undefined;
  /** A private network of the app: its members reach each other, and nobody else reaches them. Lower-case letters, digits and '-'; at most 63. */
  readonly network?: string | undefined;
  /** While it has one: reached by the host and its private network. */
  readonly address?: string | undefined;
  readonly encryptedPorts?: readonly number[] | undefined;
  readonly h2Ports?: readonly number[] | undefined;
  readonly unencryptedPorts?: readonly number[] | undefined;
  readonly inboundCidrAllowlist?: readonly string[] | undefined;
  readonly volumes?: readonly MountedVolume[] | undefined;
  readonly createdAt: string;
  readonly startedAt?: string | undefined;
  readonly deadlineAt?: string | undefined;
  readonly readyAt?: string | undefined;
  readonly finishedAt?: string | undefined;
  /** What happened when, oldest first. */
  readonly timeline: readonly TimelineEntry[];
};

export type SandboxCreate = {
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly app?: string | undefined;
  /** Letters, digits, '.', '_' and '-'; at most 64. */
  readonly name?: string | undefined;
  /** Labels to find sandboxes by. */
  readonly tags?: { readonly [name: string]: string } | undefined;
  /** The command and its arguments; no shell is involved. */
  readonly command?: readonly string[] | undefined;
  /** Name or id of an image; the default base image when absent. */
  readonly image?: string | undefined;
  /** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
  readonly isolation?: Isolation | undefined;
  readonly workdir?: string | undefined;
  /** NAME, UID, NAME:GROUP or UID:GID, as in an OCI image; root when absent. */
  readonly user?: string | undefined;
  /** Environment variables. */
  readonly env?: { readonly [name: string]: string } | undefined;
  /** Names of secrets whose keys become environment variables; later ones win, `env` wins over all. */
  readonly secrets?: readonly string[] | undefined;
  readonly pty?: Pty | undefined;
  /** Limit in cores; fractions allowed. */
  readonly cpu?: number | undefined;
  /** Memory limit in bytes; at least 16 MiB. */
  readonly memoryBytes?: number | undefined;
  /** Most processes and threads at once. */
  readonly pidsLimit?: number | undefined;
  /** RLIMIT_NOFILE of each process. */
  readonly openFilesLimit?: number | undefined;
  /** Most bytes the sandbox may write to its disk. */
  readonly diskBytes?: number | undefined;
  /** A GPU model and count as "A100" or "A100:2", or "any". */
  readonly gpu?: string | undefined;
  /** Longest lifetime, counted from the start. */
  readonly timeoutMs?: number | undefined;
  /** Longest time without a running exec, stdin or connection. */
  readonly idleTimeoutMs?: number | undefined;
  /** Nothing leaves, by any protocol; loopback inside works. Excludes allowlists. */
  readonly blockNetwork?: boolean | undefined;
  /** Only these IPv4 and IPv6 ranges are reached, such as 203.0.113.0/24, and what outboundDomainAllowlist adds; with an empty list, nothing is. */
  readonly outboundCidrAllowlist?: readonly string[] | undefined;
  /** Only these names are reached, over TLS on port 443, HTTP on port 80 and the proxy on port 3128, and what outboundCidrAllowlist adds: api.example.com, or *.example.com for every name below it. */
  readonly outboundDomainAllowlist?: readonly string[] | undefined;
  /** Secrets that are put into headers of requests on the way out; the sandbox never has them. */
  readonly outboundSecrets?: readonly OutboundSecret[] | undefined;
  /** A private network of the app: its members reach each other, and nobody else reaches them. Lower-case letters, digits and '-'; at most 63. */
  readonly network?: string | undefined;
  readonly encryptedPorts?: readonly number[] | undefined;
  readonly h2Ports?: readonly number[] | undefined;
  readonly unencryptedPorts?: readonly number[] | undefined;
  /** Ranges of addresses that may use the tunnels, IPv4 or IPv6; everyone when absent. */
  readonly inboundCidrAllowlist?: readonly string[] | undefined;
  /** Ready once a TCP connection to the port succeeds inside the sandbox, or once the command exits with 0. */
  readonly readinessProbe?: ReadinessProbe | undefined;
  readonly volumes?: readonly VolumeMount[] | undefined;
  /** Environment variable for a token that says which sandbox this is, valid for as long as it may run; see /.well-known/openid-configuration. */
  readonly identityToken?: string | undefined;
};

export type SandboxPage = {
  readonly items: readonly Sandbox[];
  readonly nextCursor?: string | undefined;
};

export type SandboxState = "queued" | "starting" | "running" | "finished";

export type Secret = {
  /** Id of the secret; what takes a name takes it too. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name?: string | undefined;
  readonly keys: readonly string[];
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type SecretList = {
  readonly items: readonly Secret[];
};

export type SecretPut = {
  /** Environment variables. */
  readonly values: { readonly [name: string]: string };
};

export type SecretUpdate = {
  /** Environment variables. */
  readonly set?: { readonly [name: string]: string } | undefined;
  /** Keys to remove; those that are not there too. */
  readonly unset?: readonly string[] | undefined;
};

export type Snapshot = {
  readonly image: Image;
  /** How long the sandbox's processes were stopped; 0 when a repeated request is told of the snapshot of the first. */
  readonly pausedMs: number;
};

export type Status = {
  readonly version: string;
  readonly pid: number;
  readonly address: string;
  readonly startedAt: string;
  /** gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel. */
  readonly defaultIsolation?: Isolation | undefined;
  readonly isolations: readonly IsolationStatus[];
  readonly sandboxes: {
    readonly queued: number;
    readonly starting: number;
    readonly running: number;
    readonly finished: number;
  };
  /** CDI names of the devices on this machine. */
  readonly gpus: readonly string[];
  readonly disks: DiskStore;
};

export type StdinPosition = {
  /** Bytes of stdin accepted so far. */
  readonly offset: number;
};

export type TimelineEntry = {
  readonly event: string;
  readonly at: string;
  readonly detail?: string | undefined;
};

export type Token = {
  /** Id of the token. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. */
  readonly name: string;
  readonly createdAt: string;
  readonly lastUsedAt?: string | undefined;
};

export type TokenCreate = {
  /** Letters, digits, '.', '_' and '-'; at most 64. */
  readonly name: string;
};

export type TokenList = {
  readonly items: readonly Token[];
};

export type Tunnel = {
  readonly containerPort: number;
  /** https://HOST:PORT, without the port when it is 443. */
  readonly url: string;
  /** Where TLS ends, and the server name to ask for. */
  readonly host: string;
  readonly port: number;
  /** Of a port that is open without TLS too. */
  readonly unencryptedHost?: string | undefined;
  readonly unencryptedPort?: number | undefined;
};

export type TunnelAuthority = {
  /** Names of tunnels end in this. */
  readonly domain: string;
  /** The authority that signs for it, in PEM; absent with a certificate of one's own. */
  readonly certificate?: string | undefined;
};

export type TunnelList = {
  readonly items: readonly Tunnel[];
};

export type Volume = {
  /** Id of the volume. */
  readonly id: string;
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name?: string | undefined;
  /** An ordinary directory that everyone writes to at once, instead of commits and reloads. */
  readonly shared: boolean;
  /** How often it was changed; a shared volume stays at 0. */
  readonly version: number;
  /** Bytes on the disk, what later commits replaced included until it is merged. */
  readonly sizeBytes: number;
  /** Most bytes in it; a shared volume of an earlier version has no limit. */
  readonly limitBytes?: number | undefined;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly expiresAt?: string | undefined;
  /** Ids of the sandboxes that have it mounted. */
  readonly usedBy: readonly string[];
};

export type VolumeChange = {
  readonly volumes: readonly ({
    /** Id of the volume. */
    readonly volumeId: string;
    readonly path: string;
    /** The volume's version that holds what the sandbox wrote. */
    readonly version: number;
    /** Whether there was anything to commit. */
    readonly changed: boolean;
  })[];
};

/** Without a name it is ephemeral: it lives for as long as heartbeats or sandboxes keep it. */
export type VolumeCreate = {
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name?: string | undefined;
  /** An ordinary directory that everyone writes to at once, instead of commits and reloads. */
  readonly shared?: boolean | undefined;
  /** Most bytes in it, and in what a sandbox has of it; those of ATOLL_DEFAULT_VOLUME, else 16 GiB, when absent. */
  readonly limitBytes?: number | undefined;
};

export type VolumeList = {
  readonly items: readonly Volume[];
};

export type VolumeLookup = {
  /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
  readonly name: string;
  readonly createIfMissing?: boolean | undefined;
  /** An ordinary directory that everyone writes to at once, instead of commits and reloads. */
  readonly shared?: boolean | undefined;
  /** Most bytes in it, and in what a sandbox has of it; those of ATOLL_DEFAULT_VOLUME, else 16 GiB, when absent. */
  readonly limitBytes?: number | undefined;
};

export type VolumeMount = {
  /** Id or name of the volume. */
  readonly volume: string;
  readonly path: string;
  readonly readOnly?: boolean | undefined;
  /** Directory of the volume to mount instead of all of it; made if missing. */
  readonly subPath?: string | undefined;
};

export interface Operations {
  /** Whether the server answers. */
  readonly health: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: {
      readonly ok: boolean;
      readonly version: string;
    };
  };
  /** This document. */
  readonly openapi: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: unknown;
  };
  /** Metrics in the Prometheus text format. */
  readonly metrics: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: string;
  };
  /** Version, address, counts and isolation levels. */
  readonly status: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Status;
  };
  /** Find, and unless told otherwise remove, what belongs to no sandbox. */
  readonly gc: {
    readonly params: undefined;
    readonly query: {
      readonly dryRun?: boolean | undefined;
    };
    readonly body: undefined;
    readonly response: GcReport;
  };
  /** What takes up the disk. */
  readonly diskUse: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: DiskUse;
  };
  /** Who signs the identity tokens of sandboxes, and how. */
  readonly identityConfiguration: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: {
      readonly issuer: string;
      readonly jwks_uri: string;
      readonly response_types_supported: readonly string[];
      readonly subject_types_supported: readonly string[];
      readonly id_token_signing_alg_values_supported: readonly string[];
      readonly claims_supported: readonly string[];
    };
  };
  /** The keys that identity tokens are verified with. */
  readonly identityKeys: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: {
      readonly keys: readonly ({
        readonly kty: string;
        readonly n: string;
        readonly e: string;
        readonly use: string;
        readonly alg: string;
        readonly kid: string;
      })[];
    };
  };
  /** Find an app by name, or make it. */
  readonly lookupApp: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: AppLookup;
    readonly response: App;
  };
  /** List apps. */
  readonly listApps: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: AppList;
  };
  /** Create a sandbox and start its command. */
  readonly createSandbox: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: SandboxCreate;
    readonly response: Sandbox;
  };
  /** List sandboxes, newest first. */
  readonly listSandboxes: {
    readonly params: undefined;
    readonly query: {
      /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
      readonly app?: string | undefined;
      /** Letters, digits, '.', '_' and '-'; at most 64. */
      readonly name?: string | undefined;
      /** KEY=VALUE; all must match. */
      readonly tag?: readonly string[] | undefined;
      readonly state?: SandboxState | undefined;
      /** Finished ones too. */
      readonly all?: boolean | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly body: undefined;
    readonly response: SandboxPage;
  };
  /** One sandbox with its timeline. */
  readonly getSandbox: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Sandbox;
  };
  /** Wait until the sandbox is finished. */
  readonly waitSandbox: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Answer with the present state after this long at the latest; 0 answers at once. Default 30000. */
      readonly timeoutMs?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Sandbox;
  };
  /** Wait until the readiness probe has passed, or the sandbox is finished. */
  readonly waitSandboxReady: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Answer with the present state after this long at the latest; 0 answers at once. Default 30000. */
      readonly timeoutMs?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Sandbox;
  };
  /** End the sandbox; does nothing to a finished one. */
  readonly terminateSandbox: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Sandbox;
  };
  /** Replace the sandbox's tags. */
  readonly setSandboxTags: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Labels to find sandboxes by. */
      readonly tags?: { readonly [name: string]: string } | undefined;
    };
    readonly response: Sandbox;
  };
  /** Give the sandbox a name, in place of the one it may have. */
  readonly renameSandbox: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: TokenCreate;
    readonly response: Sandbox;
  };
  /** Replace what the sandbox may reach, on open connections too. */
  readonly updateNetworkPolicy: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: NetworkPolicy;
    readonly response: Sandbox;
  };
  /** Start a process in the sandbox. */
  readonly exec: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: Exec;
    readonly response: Process;
  };
  /** List the sandbox's processes. */
  readonly listProcesses: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: ProcessList;
  };
  /** One process. */
  readonly getProcess: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Process;
  };
  /** Wait until the process is finished. */
  readonly waitProcess: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: {
      /** Answer with the present state after this long at the latest; 0 answers at once. Default 30000. */
      readonly timeoutMs?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Process;
  };
  /** Bytes of stdout or stderr from an offset, as they arrive, until the stream ends. */
  readonly readOutput: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
      readonly stream: "stdout" | "stderr";
    };
    readonly query: {
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
      /** With false, stop at what there is now. Default true. */
      readonly follow?: boolean | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Lines of its output with the time at which each came, the newest ones, oldest first. */
  readonly readLog: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: {
      readonly stream?: "stdout" | "stderr" | undefined;
      readonly since?: string | undefined;
      /** Only what came before it. */
      readonly until?: string | undefined;
      /** Only lines that have this in them. */
      readonly search?: string | undefined;
      /** 1000 when absent. */
      readonly limit?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Log;
  };
  /** Write bytes at an offset of stdin; a repeated write is not doubled. */
  readonly writeStdin: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: {
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
      /** Close stdin after these bytes. */
      readonly eof?: boolean | undefined;
    };
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: StdinPosition;
  };
  /** Send a signal to the process and its group. */
  readonly signalProcess: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: undefined;
    readonly body: {
      readonly signal: string;
    };
    readonly response: Process;
  };
  /** Change the size of the process's terminal. */
  readonly resizePty: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: undefined;
    readonly body: {
      readonly rows: number;
      readonly cols: number;
    };
    readonly response: Process;
  };
  /** A WebSocket to the process's terminal. Binary messages are bytes; text messages are JSON: {resize:{rows,cols}} from the client, {result} from the server at the end. The subprotocol is `atoll`; a client that cannot set headers offers `bearer.TOKEN` beside it.. */
  readonly terminal: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
      /** Id of a process, or `main` for the sandbox's own command. */
      readonly processId: string;
    };
    readonly query: {
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
    };
    readonly body: undefined;
    readonly response: WebSocket;
  };
  /** Bytes of a file. */
  readonly readFile: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
      /** Most bytes wanted; all when absent. */
      readonly length?: number | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Write the body to a file, as it comes. */
  readonly writeFile: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** truncate (when absent): empty the file first, or make it. replace: a new file takes its place once everything was written. exclusive: it must not exist. append: at its end. update: at the offset, the rest stays. existing: as update, and it must exist. */
      readonly how?: "truncate" | "replace" | "exclusive" | "append" | "update" | "existing" | undefined;
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
      /** Make the directories it lies in. */
      readonly parents?: boolean | undefined;
      /** Permission bits, as chmod(2). */
      readonly mode?: number | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: FileEntry;
  };
  /** Remove a file, a link, or a directory. */
  readonly removeFile: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: undefined;
  };
  /** What is known of a file. */
  readonly statFile: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** With false, of a link itself. Default true. */
      readonly follow?: boolean | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: FileEntry;
  };
  /** What is in a directory: a FileEntry in JSON a line, in the order of names. A failure after the first line is a last line {error}. */
  readonly listFiles: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Make a directory. */
  readonly makeDirectory: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Make the directories it lies in, and accept that it exists. */
      readonly parents?: boolean | undefined;
      /** Permission bits, as chmod(2). */
      readonly mode?: number | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly response: undefined;
  };
  /** Rename a file or a directory. */
  readonly renameFile: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Absolute path inside the sandbox. */
      readonly to: string;
      /** Replace what is there. Default true. */
      readonly overwrite?: boolean | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly response: undefined;
  };
  /** Change permissions. */
  readonly changeFileMode: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Permission bits, as chmod(2). */
      readonly mode: number;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly response: undefined;
  };
  /** A directory and what is below it, or a file, as a tar archive. */
  readonly readArchive: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Extract a tar archive into a directory, which is made if missing; no link leads out of it. */
  readonly writeArchive: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Give files to the users that the archive names, rather than to `user`. */
      readonly owners?: boolean | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: undefined;
  };
  /** Changes of a file or a directory from now on: a FileEvent in JSON a line, until the client goes away. */
  readonly watchFiles: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
      /** Only these; all when absent. */
      readonly type?: readonly FileEventType[] | undefined;
      /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
      readonly user?: string | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Create or replace a secret. */
  readonly putSecret: {
    readonly params: {
      /** Name or id of a secret. */
      readonly name: string;
    };
    readonly query: undefined;
    readonly body: SecretPut;
    readonly response: Secret;
  };
  /** Create a secret without a name, which is removed once it was not used for 30 days. */
  readonly createSecret: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: SecretPut;
    readonly response: Secret;
  };
  /** Set and remove keys of a secret, and leave the others as they are. */
  readonly updateSecret: {
    readonly params: {
      /** Name or id of a secret. */
      readonly name: string;
    };
    readonly query: undefined;
    readonly body: SecretUpdate;
    readonly response: Secret;
  };
  /** List the secrets that have a name: names and keys, never values. */
  readonly listSecrets: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: SecretList;
  };
  /** One secret: its keys, never its values. */
  readonly getSecret: {
    readonly params: {
      /** Name or id of a secret. */
      readonly name: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Secret;
  };
  /** Delete a secret. */
  readonly deleteSecret: {
    readonly params: {
      /** Name or id of a secret. */
      readonly name: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: undefined;
  };
  /** Build an image; the answer is one ImageBuildEvent in JSON a line, the last one being `image` or `failed`. */
  readonly buildImage: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: ImageBuild;
    readonly response: Uint8Array;
  };
  /** Begin to build an image, to be followed by its id; one that nobody follows for a minute is given up. */
  readonly startImageBuild: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: ImageBuild;
    readonly response: ImageBuildStarted;
  };
  /** What an image's build tells, an ImageLogEntry in JSON a line, until its end: the event `image` or `failed`. */
  readonly followImageBuild: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: {
      /** Entries to leave out. */
      readonly after?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Make an image of an uploaded `docker save` or OCI archive; the answer is one ImageImportEvent in JSON a line, the last one being `image` or `failed`. */
  readonly importImage: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: ImageImport;
    readonly response: Uint8Array;
  };
  /** The image as an OCI archive that `docker load` takes too; the header content-length says how long it is. */
  readonly exportImage: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Put the image into a registry; the answer is one ImagePushEvent in JSON a line, the last one being `pushed` or `failed`. */
  readonly pushImage: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: undefined;
    readonly body: ImagePush;
    readonly response: Uint8Array;
  };
  /** List images, newest first. */
  readonly listImages: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: ImageList;
  };
  /** One image. */
  readonly getImage: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Image;
  };
  /** Give the image a name, taking it from another that had it. */
  readonly nameImage: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: undefined;
    readonly body: ImageNaming;
    readonly response: Image;
  };
  /** Remove a name, or with an id the image and all its names. */
  readonly removeImage: {
    readonly params: {
      /** Id or name of an image. */
      readonly image: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: undefined;
  };
  /** Remove built images that have no name and that no sandbox uses, and the build cache with them. */
  readonly pruneImages: {
    readonly params: undefined;
    readonly query: {
      readonly dryRun?: boolean | undefined;
      /** Only what was not used for this long; 0 when absent. */
      readonly unusedForMs?: number | undefined;
    };
    readonly body: undefined;
    readonly response: ImagePrune;
  };
  /** Upload a tar archive for `add` steps, named by its SHA-256. */
  readonly putImageContent: {
    readonly params: {
      readonly digest: string;
    };
    readonly query: undefined;
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: ImageContent;
  };
  /** Whether an archive is there already. */
  readonly getImageContent: {
    readonly params: {
      readonly digest: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: ImageContent;
  };
  /** Make an image of the sandbox's file system, or of a directory of it, as it is at one instant. */
  readonly snapshotSandbox: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** NAME or NAME:TAG; the tag is `latest` when absent. */
      readonly name?: string | undefined;
      /** Remove the image after this long, once nothing uses it; it is kept when absent. */
      readonly ttlMs?: number | undefined;
      /** A directory, which becomes the root of the image; the whole file system when absent. */
      readonly path?: string | undefined;
    };
    readonly response: Snapshot;
  };
  /** List what was mounted into a sandbox. */
  readonly listMounts: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: {
      readonly items: readonly Mount[];
    };
  };
  /** Mount an image at a path of a running sandbox; the path is made when missing, and hidden when not. */
  readonly mountImage: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path of a directory inside. */
      readonly path: string;
      /** Id or name of an image. */
      readonly image: string;
      /** Whether nothing can be written there. */
      readonly readOnly?: boolean | undefined;
    };
    readonly response: Mount;
  };
  /** Unmount an image; what was written there is gone. */
  readonly unmountImage: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Absolute path of a directory inside. */
      readonly path: string;
    };
    readonly body: undefined;
    readonly response: undefined;
  };
  /** Create a volume. */
  readonly createVolume: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: VolumeCreate;
    readonly response: Volume;
  };
  /** Find a volume by name, or make it. */
  readonly lookupVolume: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: VolumeLookup;
    readonly response: Volume;
  };
  /** List volumes by name. */
  readonly listVolumes: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: VolumeList;
  };
  /** One volume. */
  readonly getVolume: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Volume;
  };
  /** Delete a volume with all that is in it, unless a sandbox has it mounted. */
  readonly deleteVolume: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: undefined;
  };
  /** Give the volume another name. */
  readonly renameVolume: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
      readonly name: string;
    };
    readonly response: Volume;
  };
  /** Keep an ephemeral volume for another 15 minutes. */
  readonly heartbeatVolume: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: Volume;
  };
  /** Bytes of a file. */
  readonly readVolumeFile: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** First byte wanted; 0 when absent. */
      readonly offset?: number | undefined;
      /** Most bytes wanted; all when absent. */
      readonly length?: number | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Put a file in place of what is there; the directories it lies in are made. */
  readonly writeVolumeFile: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Permission bits, as chmod(2). */
      readonly mode?: number | undefined;
      /** It must not exist. */
      readonly exclusive?: boolean | undefined;
    };
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: FileEntry;
  };
  /** Remove a file, a link, or a directory. */
  readonly removeVolumeFile: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
    };
    readonly body: undefined;
    readonly response: undefined;
  };
  /** What is known of a file. */
  readonly statVolumeFile: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** With false, of a link itself. Default true. */
      readonly follow?: boolean | undefined;
    };
    readonly body: undefined;
    readonly response: FileEntry;
  };
  /** What is in a directory: a FileEntry in JSON a line, in the order of names. A failure after the first line is a last line {error}. */
  readonly listVolumeFiles: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Make a directory. */
  readonly makeVolumeDirectory: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Make the directories it lies in, and accept that it exists. */
      readonly parents?: boolean | undefined;
      /** Permission bits, as chmod(2). */
      readonly mode?: number | undefined;
    };
    readonly response: undefined;
  };
  /** Rename a file or a directory. */
  readonly renameVolumeFile: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** Absolute path inside the sandbox. */
      readonly to: string;
      /** Replace what is there. Default true. */
      readonly overwrite?: boolean | undefined;
    };
    readonly response: undefined;
  };
  /** Copy files within the volume, into a directory if the target is one. */
  readonly copyVolumeFiles: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: undefined;
    readonly body: {
      readonly from: readonly string[];
      /** Absolute path inside the sandbox. */
      readonly to: string;
      /** Everything below it too. */
      readonly recursive?: boolean | undefined;
    };
    readonly response: undefined;
  };
  /** A directory and what is below it, or a file, as a tar archive. */
  readonly readVolumeArchive: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
    };
    readonly body: undefined;
    readonly response: Uint8Array;
  };
  /** Put all files of a tar archive into a directory, which is made if missing, in one commit. */
  readonly writeVolumeArchive: {
    readonly params: {
      /** Id or name of a volume. */
      readonly volume: string;
    };
    readonly query: {
      /** Absolute path inside the sandbox. */
      readonly path: string;
      /** None of the files may exist. */
      readonly exclusive?: boolean | undefined;
    };
    readonly body: Uint8Array | ReadableStream<Uint8Array>;
    readonly response: Volume;
  };
  /** Commit what the sandbox has written to its volumes. */
  readonly commitVolumes: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: VolumeChange;
  };
  /** Commit, and show the sandbox what others have committed meanwhile; no file of the volumes may be open. */
  readonly reloadVolumes: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: VolumeChange;
  };
  /** Create an API token. */
  readonly createToken: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: TokenCreate;
    readonly response: NewToken;
  };
  /** List API tokens. */
  readonly listTokens: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: TokenList;
  };
  /** Revoke an API token. */
  readonly deleteToken: {
    readonly params: {
      readonly tokenId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: undefined;
  };
  /** Where the sandbox's ports are reached, once it runs. */
  readonly listTunnels: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: {
      /** Answer with the present state after this long at the latest; 0 answers at once. Default 30000. */
      readonly timeoutMs?: number | undefined;
    };
    readonly body: undefined;
    readonly response: TunnelList;
  };
  /** Make a token that opens a port of the sandbox over HTTPS to its bearer. */
  readonly createConnectToken: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: ConnectTokenCreate;
    readonly response: ConnectToken;
  };
  /** The certificate authority that clients of tunnels are to trust. */
  readonly tunnelAuthority: {
    readonly params: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly response: TunnelAuthority;
  };
  /** Private networks that have members, by app and name. */
  readonly listNetworks: {
    readonly params: undefined;
    readonly query: {
      /** Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it. */
      readonly app?: string | undefined;
    };
    readonly body: undefined;
    readonly response: PrivateNetworkList;
  };
  /** What a sandbox reached by name and was refused, a row each destination, the latest first; kept after its end. */
  readonly readNetworkLog: {
    readonly params: {
      /** Id of a sandbox. */
      readonly sandboxId: string;
    };
    readonly query: undefined;
    readonly body: undefined;
    readonly response: NetworkLog;
  };
}

export type OperationName = keyof Operations;

export const operations = {
  health: { method: "GET", path: "/healthz" },
  openapi: { method: "GET", path: "/openapi.json" },
  metrics: { method: "GET", path: "/metrics" },
  status: { method: "GET", path: "/v1/status" },
  gc: { method: "POST", path: "/v1/gc" },
  diskUse: { method: "GET", path: "/v1/disk" },
  identityConfiguration: { method: "GET", path: "/.well-known/openid-configuration" },
  identityKeys: { method: "GET", path: "/.well-known/jwks.json" },
  lookupApp: { method: "POST", path: "/v1/apps/lookup" },
  listApps: { method: "GET", path: "/v1/apps" },
  createSandbox: { method: "POST", path: "/v1/sandboxes", isIdempotent: true },
  listSandboxes: { method: "GET", path: "/v1/sandboxes" },
  getSandbox: { method: "GET", path: "/v1/sandboxes/{sandboxId}" },
  waitSandbox: { method: "GET", path: "/v1/sandboxes/{sandboxId}/wait" },
  waitSandboxReady: { method: "GET", path: "/v1/sandboxes/{sandboxId}/ready" },
  terminateSandbox: { method: "POST", path: "/v1/sandboxes/{sandboxId}/terminate" },
  setSandboxTags: { method: "PUT", path: "/v1/sandboxes/{sandboxId}/tags" },
  renameSandbox: { method: "PUT", path: "/v1/sandboxes/{sandboxId}/name" },
  updateNetworkPolicy: { method: "PUT", path: "/v1/sandboxes/{sandboxId}/network-policy" },
  exec: { method: "POST", path: "/v1/sandboxes/{sandboxId}/processes", isIdempotent: true },
  listProcesses: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes" },
  getProcess: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes/{processId}" },
  waitProcess: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/wait" },
  readOutput: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/output/{stream}" },
  readLog: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/log" },
  writeStdin: { method: "POST", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/stdin" },
  signalProcess: { method: "POST", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/signal" },
  resizePty: { method: "POST", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/resize" },
  terminal: { method: "GET", path: "/v1/sandboxes/{sandboxId}/processes/{processId}/terminal" },
  readFile: { method: "GET", path: "/v1/sandboxes/{sandboxId}/files" },
  writeFile: { method: "PUT", path: "/v1/sandboxes/{sandboxId}/files" },
  removeFile: { method: "DELETE", path: "/v1/sandboxes/{sandboxId}/files" },
  statFile: { method: "GET", path: "/v1/sandboxes/{sandboxId}/files/stat" },
  listFiles: { method: "GET", path: "/v1/sandboxes/{sandboxId}/files/list" },
  makeDirectory: { method: "POST", path: "/v1/sandboxes/{sandboxId}/files/mkdir" },
  renameFile: { method: "POST", path: "/v1/sandboxes/{sandboxId}/files/rename" },
  changeFileMode: { method: "POST", path: "/v1/sandboxes/{sandboxId}/files/chmod" },
  readArchive: { method: "GET", path: "/v1/sandboxes/{sandboxId}/files/archive" },
  writeArchive: { method: "PUT", path: "/v1/sandboxes/{sandboxId}/files/archive" },
  watchFiles: { method: "GET", path: "/v1/sandboxes/{sandboxId}/files/watch" },
  putSecret: { method: "PUT", path: "/v1/secrets/{name}" },
  createSecret: { method: "POST", path: "/v1/secrets" },
  updateSecret: { method: "POST", path: "/v1/secrets/{name}/keys" },
  listSecrets: { method: "GET", path: "/v1/secrets" },
  getSecret: { method: "GET", path: "/v1/secrets/{name}" },
  deleteSecret: { method: "DELETE", path: "/v1/secrets/{name}" },
  buildImage: { method: "POST", path: "/v1/images/build" },
  startImageBuild: { method: "POST", path: "/v1/images/builds" },
  followImageBuild: { method: "GET", path: "/v1/images/{image}/log" },
  importImage: { method: "POST", path: "/v1/images/import" },
  exportImage: { method: "GET", path: "/v1/images/{image}/archive" },
  pushImage: { method: "POST", path: "/v1/images/{image}/push" },
  listImages: { method: "GET", path: "/v1/images" },
  getImage: { method: "GET", path: "/v1/images/{image}" },
  nameImage: { method: "PUT", path: "/v1/images/{image}/names" },
  removeImage: { method: "DELETE", path: "/v1/images/{image}" },
  pruneImages: { method: "POST", path: "/v1/images/prune" },
  putImageContent: { method: "PUT", path: "/v1/image-contents/{digest}" },
  getImageContent: { method: "GET", path: "/v1/image-contents/{digest}" },
  snapshotSandbox: { method: "POST", path: "/v1/sandboxes/{sandboxId}/snapshot", isIdempotent: true },
  listMounts: { method: "GET", path: "/v1/sandboxes/{sandboxId}/mounts" },
  mountImage: { method: "POST", path: "/v1/sandboxes/{sandboxId}/mounts" },
  unmountImage: { method: "DELETE", path: "/v1/sandboxes/{sandboxId}/mounts" },
  createVolume: { method: "POST", path: "/v1/volumes", isIdempotent: true },
  lookupVolume: { method: "POST", path: "/v1/volumes/lookup" },
  listVolumes: { method: "GET", path: "/v1/volumes" },
  getVolume: { method: "GET", path: "/v1/volumes/{volume}" },
  deleteVolume: { method: "DELETE", path: "/v1/volumes/{volume}" },
  renameVolume: { method: "PUT", path: "/v1/volumes/{volume}/name" },
  heartbeatVolume: { method: "POST", path: "/v1/volumes/{volume}/heartbeat" },
  readVolumeFile: { method: "GET", path: "/v1/volumes/{volume}/files" },
  writeVolumeFile: { method: "PUT", path: "/v1/volumes/{volume}/files" },
  removeVolumeFile: { method: "DELETE", path: "/v1/volumes/{volume}/files" },
  statVolumeFile: { method: "GET", path: "/v1/volumes/{volume}/files/stat" },
  listVolumeFiles: { method: "GET", path: "/v1/volumes/{volume}/files/list" },
  makeVolumeDirectory: { method: "POST", path: "/v1/volumes/{volume}/files/mkdir" },
  renameVolumeFile: { method: "POST", path: "/v1/volumes/{volume}/files/rename" },
  copyVolumeFiles: { method: "POST", path: "/v1/volumes/{volume}/files/copy" },
  readVolumeArchive: { method: "GET", path: "/v1/volumes/{volume}/files/archive" },
  writeVolumeArchive: { method: "PUT", path: "/v1/volumes/{volume}/files/archive" },
  commitVolumes: { method: "POST", path: "/v1/sandboxes/{sandboxId}/volumes/commit" },
  reloadVolumes: { method: "POST", path: "/v1/sandboxes/{sandboxId}/volumes/reload" },
  createToken: { method: "POST", path: "/v1/tokens" },
  listTokens: { method: "GET", path: "/v1/tokens" },
  deleteToken: { method: "DELETE", path: "/v1/tokens/{tokenId}" },
  listTunnels: { method: "GET", path: "/v1/sandboxes/{sandboxId}/tunnels" },
  createConnectToken: { method: "POST", path: "/v1/sandboxes/{sandboxId}/connect-tokens" },
  tunnelAuthority: { method: "GET", path: "/v1/tunnel-authority" },
  listNetworks: { method: "GET", path: "/v1/networks" },
  readNetworkLog: { method: "GET", path: "/v1/sandboxes/{sandboxId}/network-log" },
} as const;

/** Sandboxes: what one is created with, what is known of it, and the operations on it. */
import Type, { type Static } from "typebox";
import { NetworkPolicy, networkPolicyFields, OutboundSecret } from "./network.ts";
import { ofSandbox, waitQuery } from "./parameters.ts";
import { NetworkName } from "./private-networks.ts";
import type { Route } from "./route.ts";
import { Ports } from "./tunnels.ts";
import {
  AbsolutePath,
  Argv,
  closed,
  Environment,
  Id,
  Instant,
  Isolation,
  Name,
  Pty,
  Result,
  ScopedName,
  Tags,
} from "./values.ts";
import { MountedVolume, VolumeMount } from "./volumes.ts";

export const ReadinessProbe = Type.Union(
  [
    Type.Object(
      {
        tcpPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
        intervalMs: Type.Optional(Type.Integer({ minimum: 10, maximum: 60_000 })),
      },
      closed,
    ),
    Type.Object({ exec: Argv, intervalMs: Type.Optional(Type.Integer({ minimum: 10, maximum: 60_000 })) }, closed),
  ],
  {
    description:
      "Ready once a TCP connection to the port succeeds inside the sandbox, or once the command exits with 0.",
  },
);

export const SandboxCreate = Type.Object(
  {
    app: Type.Optional(ScopedName),
    name: Type.Optional(Name),
    tags: Type.Optional(Tags),
    command: Type.Optional(Argv),
    image: Type.Optional(
      Type.String({ maxLength: 255, description: "Name or id of an image; the default base image when absent." }),
    ),
    isolation: Type.Optional(Isolation),
    workdir: Type.Optional(AbsolutePath),
    user: Type.Optional(
      Type.String({
        maxLength: 255,
        description: "NAME, UID, NAME:GROUP or UID:GID, as in an OCI image; root when absent.",
      }),
    ),
    env: Type.Optional(Environment),
    secrets: Type.Optional(
      Type.Array(ScopedName, {
        maxItems: 64,
        description: "Names of secrets whose keys become environment variables; later ones win, `env` wins over all.",
      }),
    ),
    pty: Type.Optional(Pty),
    cpu: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 1024, description: "Limit in cores; fractions allowed." }),
    ),
    memoryBytes: Type.Optional(
      Type.Integer({ minimum: 16_777_216, description: "Memory limit in bytes; at least 16 MiB." }),
    ),
    pidsLimit: Type.Optional(
      Type.Integer({ minimum: 4, maximum: 4_194_304, description: "Most processes and threads at once." }),
    ),
    openFilesLimit: Type.Optional(
      Type.Integer({ minimum: 16, maximum: 1_048_576, description: "RLIMIT_NOFILE of each process." }),
    ),
    diskBytes: Type.Optional(
      Type.Integer({ minimum: 1_048_576, description: "Most bytes the sandbox may write to its disk." }),
    ),
    gpu: Type.Optional(
      Type.String({ maxLength: 64, description: 'A GPU model and count as "A100" or "A100:2", or "any".' }),
    ),
    timeoutMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 604_800_000, description: "Longest lifetime, counted from the start." }),
    ),
    idleTimeoutMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 604_800_000,
        description: "Longest time without a running exec, stdin or connection.",
      }),
    ),
    ...networkPolicyFields,
    outboundSecrets: Type.Optional(
      Type.Array(OutboundSecret, {
        maxItems: 32,
        description: "Secrets that are put into headers of requests on the way out; the sandbox never has them.",
      }),
    ),
    network: Type.Optional(NetworkName),
    encryptedPorts: Type.Optional(Ports),
    h2Ports: Type.Optional(Ports),
    unencryptedPorts: Type.Optional(Ports),
    inboundCidrAllowlist: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 256,
        description: "Ranges of addresses that may use the tunnels, IPv4 or IPv6; everyone when absent.",
      }),
    ),
    readinessProbe: Type.Optional(ReadinessProbe),
    volumes: Type.Optional(Type.Array(VolumeMount, { maxItems: 32 })),
    identityToken: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z_][A-Za-z0-9_]{0,254}$",
        description:
          "Environment variable for a token that says which sandbox this is, valid for as long as it may run; see /.well-known/openid-configuration.",
      }),
    ),
  },
  closed,
);

export const TimelineEntry = Type.Object(
  { event: Type.String(), at: Instant, detail: Type.Optional(Type.String()) },
  closed,
);

export const SandboxState = Type.Union([
  Type.Literal("queued"),
  Type.Literal("starting"),
  Type.Literal("running"),
  Type.Literal("finished"),
]);

export const Sandbox = Type.Object(
  {
    id: Id("sb", "Id of the sandbox."),
    app: ScopedName,
    name: Type.Optional(Name),
    tags: Tags,
    state: SandboxState,
    result: Type.Optional(Result),
    isolation: Isolation,
    image: Type.String(),
    command: Argv,
    workdir: Type.Optional(Type.String()),
    user: Type.Optional(Type.String()),
    pty: Type.Optional(Pty),
    cpu: Type.Number(),
    memoryBytes: Type.Integer(),
    pidsLimit: Type.Integer(),
    openFilesLimit: Type.Integer(),
    diskBytes: Type.Optional(Type.Integer()),
    gpus: Type.Optional(Type.Array(Type.String(), { description: "CDI names of the devices given to the sandbox." })),
    timeoutMs: Type.Integer(),
    idleTimeoutMs: Type.Optional(Type.Integer()),
    blockNetwork: Type.Boolean(),
    outboundCidrAllowlist: networkPolicyFields.outboundCidrAllowlist,
    outboundDomainAllowlist: networkPolicyFields.outboundDomainAllowlist,
    outboundSecrets: Type.Optional(Type.Array(OutboundSecret)),
    network: Type.Optional(NetworkName),
    address: Type.Optional(
      Type.String({ description: "While it has one: reached by the host and its private network." }),
    ),
    encryptedPorts: Type.Optional(Ports),
    h2Ports: Type.Optional(Ports),
    unencryptedPorts: Type.Optional(Ports),
    inboundCidrAllowlist: Type.Optional(Type.Array(Type.String())),
    volumes: Type.Optional(Type.Array(MountedVolume)),
    createdAt: Instant,
    startedAt: Type.Optional(Instant),
    deadlineAt: Type.Optional(Instant),
    readyAt: Type.Optional(Instant),
    finishedAt: Type.Optional(Instant),
    timeline: Type.Array(TimelineEntry, { description: "What happened when, oldest first." }),
  },
  closed,
);

export const SandboxPage = Type.Object(
  { items: Type.Array(Sandbox), nextCursor: Type.Optional(Type.String()) },
  closed,
);

export type ReadinessProbe = Static<typeof ReadinessProbe>;
export type SandboxCreate = Static<typeof SandboxCreate>;
export type TimelineEntry = Static<typeof TimelineEntry>;
export type SandboxState = Static<typeof SandboxState>;
export type Sandbox = Static<typeof Sandbox>;

export const sandboxRoutes = {
  createSandbox: {
    method: "POST",
    path: "/v1/sandboxes",
    summary: "Create a sandbox and start its command",
    body: SandboxCreate,
    response: Sandbox,
    status: 201,
    isIdempotent: true,
  },
  listSandboxes: {
    method: "GET",
    path: "/v1/sandboxes",
    summary: "List sandboxes, newest first",
    query: Type.Object(
      {
        app: Type.Optional(ScopedName),
        name: Type.Optional(Name),
        tag: Type.Optional(
          Type.Array(Type.String({ pattern: "^[^=]+=.*$" }), { description: "KEY=VALUE; all must match." }),
        ),
        state: Type.Optional(SandboxState),
        all: Type.Optional(Type.Boolean({ description: "Finished ones too." })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        cursor: Type.Optional(Type.String({ maxLength: 128 })),
      },
      closed,
    ),
    response: SandboxPage,
  },
  getSandbox: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}",
    summary: "One sandbox with its timeline",
    params: ofSandbox,
    response: Sandbox,
  },
  waitSandbox: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/wait",
    summary: "Wait until the sandbox is finished",
    params: ofSandbox,
    query: waitQuery,
    response: Sandbox,
  },
  waitSandboxReady: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/ready",
    summary: "Wait until the readiness probe has passed, or the sandbox is finished",
    params: ofSandbox,
    query: waitQuery,
    response: Sandbox,
  },
  terminateSandbox: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/terminate",
    summary: "End the sandbox; does nothing to a finished one",
    params: ofSandbox,
    response: Sandbox,
  },
  setSandboxTags: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/tags",
    summary: "Replace the sandbox's tags",
    params: ofSandbox,
    body: Type.Object({ tags: SandboxCreate.properties.tags }, closed),
    response: Sandbox,
  },
  renameSandbox: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/name",
    summary: "Give the sandbox a name, in place of the one it may have",
    params: ofSandbox,
    body: Type.Object({ name: Name }, closed),
    response: Sandbox,
  },
  updateNetworkPolicy: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/network-policy",
    summary: "Replace what the sandbox may reach, on open connections too",
    params: ofSandbox,
    body: NetworkPolicy,
    response: Sandbox,
  },
} as const satisfies Record<string, Route>;

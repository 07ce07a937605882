/** The shapes of everything the native API takes and gives. Names follow Modal and OCI; units are in the names. */
import Type, { type Static } from "typebox";

const Id = (prefix: string, description: string) =>
  Type.String({ pattern: `^${prefix}-[0-9A-Za-z]{22}$`, description });
const closed = { additionalProperties: false } as const;

export const Name = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
  description: "Letters, digits, '.', '_' and '-'; at most 64.",
});
const Environment = Type.Record(
  Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }),
  Type.String({ maxLength: 131_072 }),
  {
    description: "Environment variables.",
    additionalProperties: false,
  },
);
const Tags = Type.Record(Type.String({ pattern: "^[A-Za-z0-9._/-]{1,63}$" }), Type.String({ maxLength: 255 }), {
  description: "Labels to find sandboxes by.",
  maxProperties: 50,
  additionalProperties: false,
});
const Argv = Type.Array(Type.String({ maxLength: 131_072 }), {
  maxItems: 4096,
  description: "The command and its arguments; no shell is involved.",
});
const AbsolutePath = Type.String({ pattern: "^/", maxLength: 4096 });
const Instant = Type.String({ format: "date-time" });

export const Isolation = Type.Union([Type.Literal("gvisor"), Type.Literal("container")], {
  description:
    "gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel.",
});

export const Pty = Type.Object(
  {
    rows: Type.Integer({ minimum: 1, maximum: 65_535 }),
    cols: Type.Integer({ minimum: 1, maximum: 65_535 }),
    term: Type.Optional(Type.String({ maxLength: 64, description: "Value of TERM; xterm-256color when absent." })),
  },
  closed,
);

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
    app: Type.Optional(Name),
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
      Type.Array(Name, {
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
    blockNetwork: Type.Optional(Type.Boolean({ description: "Leave nothing but loopback." })),
    readinessProbe: Type.Optional(ReadinessProbe),
  },
  closed,
);

export const Result = Type.Object(
  {
    kind: Type.Union([
      Type.Literal("exited"),
      Type.Literal("signalled"),
      Type.Literal("timed_out"),
      Type.Literal("idle_timed_out"),
      Type.Literal("terminated"),
      Type.Literal("out_of_memory"),
      Type.Literal("failed_to_start"),
      Type.Literal("lost"),
    ]),
    exitCode: Type.Integer({
      description: "As a shell reports it: 124 for a time limit, 137 for terminated, 128+n for signal n.",
    }),
    signal: Type.Optional(Type.String({ description: "Name of the signal, such as SIGKILL." })),
    message: Type.Optional(Type.String({ description: "Why, in words, when the exit code does not say it." })),
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
    app: Name,
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

export const Exec = Type.Object(
  {
    argv: Type.Array(Type.String({ maxLength: 131_072 }), { minItems: 1, maxItems: 4096 }),
    env: Type.Optional(Environment),
    secrets: Type.Optional(Type.Array(Name, { maxItems: 64 })),
    workdir: Type.Optional(AbsolutePath),
    user: Type.Optional(Type.String({ maxLength: 255 })),
    pty: Type.Optional(Pty),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800_000 })),
    stdin: Type.Optional(
      Type.Boolean({ description: "Keep stdin open for writing; true when absent. With false it reads as empty." }),
    ),
  },
  closed,
);

export const Process = Type.Object(
  {
    id: Type.String({
      pattern: "^(main|ex-[0-9A-Za-z]{22})$",
      description: "Id of the process; `main` is the sandbox's own command.",
    }),
    sandboxId: Id("sb", "Id of its sandbox."),
    argv: Argv,
    state: Type.Union([Type.Literal("starting"), Type.Literal("running"), Type.Literal("finished")]),
    result: Type.Optional(Result),
    pty: Type.Optional(Pty),
    startedAt: Type.Optional(Instant),
    finishedAt: Type.Optional(Instant),
    stdoutBytes: Type.Integer({
      description: "Bytes of stdout kept so far; also the offset where reading it continues.",
    }),
    stderrBytes: Type.Integer(),
    outputLimited: Type.Boolean({ description: "The log is at its limit and the process is being held back." }),
  },
  closed,
);

export const ProcessList = Type.Object({ items: Type.Array(Process) }, closed);
export const StdinPosition = Type.Object(
  { offset: Type.Integer({ description: "Bytes of stdin accepted so far." }) },
  closed,
);
export const App = Type.Object({ id: Id("ap", "Id of the app."), name: Name, createdAt: Instant }, closed);
export const AppList = Type.Object({ items: Type.Array(App) }, closed);
export const AppLookup = Type.Object({ name: Name, createIfMissing: Type.Optional(Type.Boolean()) }, closed);

export const Secret = Type.Object(
  { name: Name, keys: Type.Array(Type.String()), createdAt: Instant, updatedAt: Instant },
  closed,
);
export const SecretList = Type.Object({ items: Type.Array(Secret) }, closed);
export const SecretPut = Type.Object({ values: Environment }, closed);

export const Token = Type.Object(
  { id: Id("tk", "Id of the token."), name: Name, createdAt: Instant, lastUsedAt: Type.Optional(Instant) },
  closed,
);
export const TokenList = Type.Object({ items: Type.Array(Token) }, closed);
export const TokenCreate = Type.Object({ name: Name }, closed);
export const NewToken = Type.Object(
  {
    id: Id("tk", "Id of the token."),
    name: Name,
    createdAt: Instant,
    token: Type.String({ description: "Shown this once; only a hash is kept." }),
  },
  closed,
);

export const ImageName = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,127}(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,63})?$",
  description: "NAME or NAME:TAG; the tag is `latest` when absent.",
});
const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const SecretNames = Type.Array(Name, { maxItems: 64 });

export const ImageConfig = Type.Object(
  {
    env: Environment,
    workdir: Type.Optional(Type.String()),
    user: Type.Optional(Type.String()),
    entrypoint: Type.Optional(Argv),
    cmd: Type.Optional(Argv),
    shell: Type.Optional(Argv),
  },
  closed,
);

export const ImageOrigin = Type.Object(
  {
    kind: Type.Union([
      Type.Literal("base"),
      Type.Literal("build"),
      Type.Literal("snapshot"),
      Type.Literal("pull"),
      Type.Literal("import"),
    ]),
    of: Type.Optional(
      Type.String({ description: "What it was made from: an image, a sandbox, a reference or a digest." }),
    ),
  },
  closed,
);

export const Image = Type.Object(
  {
    id: Type.String({ pattern: "^(base|im-[0-9A-Za-z]{22})$", description: "Id of the image." }),
    names: Type.Array(Type.String()),
    config: ImageConfig,
    layers: Type.Array(Type.String(), { description: "Names of its layers, the lowest first." }),
    sizeBytes: Type.Integer({ description: "Bytes of all its layers; layers are shared between images." }),
    origin: ImageOrigin,
    createdAt: Instant,
    usedAt: Instant,
  },
  closed,
);
export const ImageList = Type.Object({ items: Type.Array(Image) }, closed);

export const ImageSource = Type.Union(
  [
    Type.Object({ image: Type.String({ maxLength: 255 }) }, closed),
    Type.Object(
      {
        registry: Type.String({ maxLength: 512, description: "Such as docker.io/library/python:3.12-slim." }),
        secret: Type.Optional(Name),
      },
      closed,
    ),
    Type.Object({ scratch: Type.Literal(true) }, closed),
  ],
  { description: "An image of this server, one of a registry, or an empty root." },
);

export const ImageStep = Type.Union(
  [
    Type.Object(
      {
        run: Type.Union([Type.String({ minLength: 1, maxLength: 131_072 }), Argv], {
          description: "Text is given to the shell, a list is executed as it is.",
        }),
        env: Type.Optional(Environment),
        secrets: Type.Optional(SecretNames),
      },
      closed,
    ),
    Type.Object({ add: Digest, path: AbsolutePath, text: Type.Optional(Type.String({ maxLength: 4096 })) }, closed),
    Type.Object({ env: Environment }, closed),
    Type.Object({ workdir: AbsolutePath }, closed),
    Type.Object({ user: Type.String({ minLength: 1, maxLength: 255 }) }, closed),
    Type.Object({ entrypoint: Argv }, closed),
    Type.Object({ cmd: Argv }, closed),
    Type.Object({ shell: Argv }, closed),
  ],
  {
    description:
      "Exactly one of: a command, an uploaded archive to unpack at a path, or a change of what processes start with.",
  },
);

export const ImageBuild = Type.Object(
  {
    from: ImageSource,
    steps: Type.Array(ImageStep, { maxItems: 500 }),
    name: Type.Optional(ImageName),
    isolation: Type.Optional(Isolation),
    force: Type.Optional(Type.Boolean({ description: "Run every step again, whatever is cached." })),
  },
  closed,
);

const ImageFailure = Type.Object({ code: Type.String(), message: Type.String(), hint: Type.String() }, closed);
export const ImageBuildEvent = Type.Union(
  [
    Type.Object(
      {
        event: Type.Literal("step"),
        step: Type.Integer(),
        of: Type.Integer(),
        text: Type.String(),
        cached: Type.Boolean(),
      },
      closed,
    ),
    Type.Object(
      {
        event: Type.Literal("output"),
        step: Type.Integer(),
        stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]),
        line: Type.String(),
      },
      closed,
    ),
    Type.Object({ event: Type.Literal("finished"), step: Type.Integer(), durationMs: Type.Number() }, closed),
    Type.Object({ event: Type.Literal("image"), image: Image }, closed),
    Type.Object(
      {
        event: Type.Literal("failed"),
        error: ImageFailure,
        step: Type.Optional(Type.Integer({ description: "Counted from 1." })),
        text: Type.Optional(Type.String()),
        exitCode: Type.Optional(Type.Integer()),
        output: Type.Optional(Type.Array(Type.String(), { description: "The last lines the step wrote." })),
      },
      closed,
    ),
  ],
  { description: "One line of a build's answer." },
);

export const ImageContent = Type.Object({ digest: Digest, sizeBytes: Type.Integer() }, closed);
export const ImageNaming = Type.Object({ name: ImageName }, closed);
export const ImagePrune = Type.Object(
  {
    images: Type.Array(Type.String(), { description: "Ids of the images that were, or would be, removed." }),
    freedBytes: Type.Integer(),
  },
  closed,
);
export const Snapshot = Type.Object(
  { image: Image, pausedMs: Type.Number({ description: "How long the sandbox's processes were stopped." }) },
  closed,
);

export const IsolationStatus = Type.Object(
  { isolation: Isolation, available: Type.Boolean(), detail: Type.String() },
  closed,
);
export const FilePath = Type.String({
  pattern: "^/[^\\u0000]*$",
  maxLength: 4096,
  description: "Absolute path inside the sandbox.",
});
export const Permissions = Type.Integer({ minimum: 0, maximum: 0o7777, description: "Permission bits, as chmod(2)." });
export const FileUser = Type.String({
  maxLength: 255,
  description: "Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent.",
});

export const FileEntry = Type.Object(
  {
    name: Type.String({ description: "Last part of the path." }),
    path: Type.String({ description: "Absolute path." }),
    pathBase64: Type.Optional(
      Type.String({ description: "The bytes of a path that is not UTF-8; `path` has U+FFFD in their place then." }),
    ),
    type: Type.Union([
      Type.Literal("file"),
      Type.Literal("directory"),
      Type.Literal("symlink"),
      Type.Literal("fifo"),
      Type.Literal("socket"),
      Type.Literal("device"),
    ]),
    size: Type.Integer({ description: "Bytes." }),
    mode: Permissions,
    uid: Type.Integer(),
    gid: Type.Integer(),
    modifiedAt: Instant,
    linkTarget: Type.Optional(Type.String({ description: "Where a symlink points, as it says." })),
  },
  closed,
);
export const FileEventType = Type.Union([
  Type.Literal("create"),
  Type.Literal("modify"),
  Type.Literal("remove"),
  Type.Literal("rename"),
  Type.Literal("overflow"),
]);
export const FileEvent = Type.Object(
  {
    type: FileEventType,
    path: Type.String({ description: "Absolute path; after a rename the new one." }),
    from: Type.Optional(Type.String({ description: "The old path of a rename." })),
    moved: Type.Optional(
      Type.Boolean({ description: "A create or remove that is a move from or to outside of what is watched." }),
    ),
  },
  closed,
);

export const Status = Type.Object(
  {
    version: Type.String(),
    pid: Type.Integer(),
    address: Type.String(),
    startedAt: Instant,
    defaultIsolation: Type.Optional(Isolation),
    isolations: Type.Array(IsolationStatus),
    sandboxes: Type.Object(
      { queued: Type.Integer(), starting: Type.Integer(), running: Type.Integer(), finished: Type.Integer() },
      closed,
    ),
    gpus: Type.Array(Type.String(), { description: "CDI names of the devices on this machine." }),
  },
  closed,
);

export const GcReport = Type.Object(
  {
    found: Type.Array(
      Type.Object(
        {
          kind: Type.Union([
            Type.Literal("process"),
            Type.Literal("mount"),
            Type.Literal("network"),
            Type.Literal("cgroup"),
            Type.Literal("file"),
          ]),
          what: Type.String(),
          removed: Type.Boolean(),
        },
        closed,
      ),
      { description: "What belonged to no sandbox." },
    ),
  },
  closed,
);

export type SandboxCreate = Static<typeof SandboxCreate>;
export type Sandbox = Static<typeof Sandbox>;
export type SandboxState = Static<typeof SandboxState>;
export type Isolation = Static<typeof Isolation>;
export type Pty = Static<typeof Pty>;
export type ReadinessProbe = Static<typeof ReadinessProbe>;
export type Result = Static<typeof Result>;
export type TimelineEntry = Static<typeof TimelineEntry>;
export type Exec = Static<typeof Exec>;
export type Process = Static<typeof Process>;
export type App = Static<typeof App>;
export type Secret = Static<typeof Secret>;
export type Token = Static<typeof Token>;
export type NewToken = Static<typeof NewToken>;
export type Status = Static<typeof Status>;
export type IsolationStatus = Static<typeof IsolationStatus>;
export type FileEntry = Static<typeof FileEntry>;
export type FileEvent = Static<typeof FileEvent>;
export type FileEventType = Static<typeof FileEventType>;
export type GcReport = Static<typeof GcReport>;
export type Image = Static<typeof Image>;
export type ImageConfig = Static<typeof ImageConfig>;
export type ImageOrigin = Static<typeof ImageOrigin>;
export type ImageSource = Static<typeof ImageSource>;
export type ImageStep = Static<typeof ImageStep>;
export type ImageBuild = Static<typeof ImageBuild>;
export type ImageBuildEvent = Static<typeof ImageBuildEvent>;
export type ImageContent = Static<typeof ImageContent>;
export type ImagePrune = Static<typeof ImagePrune>;
export type Snapshot = Static<typeof Snapshot>;

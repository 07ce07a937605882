/** Images: recipes, builds, names, contents. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { AbsolutePath, Argv, closed, Environment, Instant, Isolation, ScopedName, SecretNames } from "./values.ts";

export const ImageName = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,127}(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,63})?$",
  description: "NAME or NAME:TAG; the tag is `latest` when absent.",
});

const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

export const ImageConfig = Type.Object(
  {
    env: Environment,
    workdir: Type.Optional(Type.String()),
    user: Type.Optional(Type.String()),
    entrypoint: Type.Optional(Argv),
    cmd: Type.Optional(Argv),
    shell: Type.Optional(Argv),
    labels: Type.Optional(Type.Record(Type.String(), Type.String())),
    ports: Type.Optional(
      Type.Array(Type.String(), { description: "Such as 80/tcp; a note, nothing is opened by it." }),
    ),
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
    expiresAt: Type.Optional(Instant),
  },
  closed,
);

export const ImageList = Type.Object({ items: Type.Array(Image) }, closed);

const Reference = Type.String({
  maxLength: 512,
  description: "Image of a registry, such as python:3.12-slim or registry.example:5000/team/app@sha256:...",
});

/** What a Dockerfile, or some lines of one, is built with. */
const dockerfileOptions = {
  context: Type.Optional(
    Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "An uploaded archive that COPY and ADD take from." }),
  ),
  args: Type.Optional(Type.Record(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), Type.String())),
  images: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description: "Names that FROM and COPY --from may use, and the images of this server that they mean.",
    }),
  ),
  env: Type.Optional(Environment),
  secrets: Type.Optional(SecretNames),
  registrySecret: Type.Optional(ScopedName),
};

export const ImageSource = Type.Union(
  [
    Type.Object({ image: Type.String({ maxLength: 255 }) }, closed),
    Type.Object(
      {
        registry: Reference,
        secret: Type.Optional(ScopedName),
      },
      closed,
    ),
    Type.Object(
      {
        pythonVersion: Type.String({
          pattern: "^3\\.\\d{1,3}$",
          description: "Debian with this Python: the base image, or a registry's python:VERSION-slim.",
        }),
      },
      closed,
    ),
    Type.Object({ scratch: Type.Literal(true) }, closed),
    Type.Object(
      {
        dockerfile: Type.String({ minLength: 1, maxLength: 1_048_576, description: "Text of a whole Dockerfile." }),
        target: Type.Optional(
          Type.String({ maxLength: 255, description: "Stage to build; the last one when absent." }),
        ),
        ...dockerfileOptions,
      },
      closed,
    ),
  ],
  {
    description:
      "An image of this server, one of a registry, Debian with a version of Python, an empty root, or what a Dockerfile makes.",
  },
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
    Type.Object(
      {
        commands: Type.String({
          minLength: 1,
          maxLength: 1_048_576,
          description: "Lines of a Dockerfile, without FROM.",
        }),
        ...dockerfileOptions,
      },
      closed,
    ),
    Type.Object({ env: Environment }, closed),
    Type.Object({ workdir: AbsolutePath }, closed),
    Type.Object({ user: Type.String({ minLength: 1, maxLength: 255 }) }, closed),
    Type.Object({ entrypoint: Argv }, closed),
    Type.Object({ cmd: Argv }, closed),
    Type.Object({ shell: Argv }, closed),
  ],
  {
    description:
      "Exactly one of: a command, an uploaded archive to unpack at a path, lines of a Dockerfile, or a change of what processes start with.",
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

const progressEvent = Type.Object(
  {
    event: Type.Literal("progress"),
    what: Type.String(),
    bytes: Type.Integer(),
    of: Type.Optional(Type.Integer({ description: "When it is known." })),
  },
  closed,
);
const imageEvent = Type.Object({ event: Type.Literal("image"), image: Image }, closed);
const failedEvent = Type.Object({ event: Type.Literal("failed"), error: ImageFailure }, closed);

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
    Type.Object({ event: Type.Literal("note"), text: Type.String() }, closed),
    progressEvent,
    imageEvent,
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

export const ImageBuildStarted = Type.Object(
  {
    image: Type.String({ description: "Id of the image, also of one that will fail." }),
    isBuilt: Type.Boolean({ description: "Whether it was built before." }),
  },
  closed,
);

export const ImageLogEntry = Type.Object(
  { entry: Type.Integer({ description: "Counted from 1; what to go on after." }), event: ImageBuildEvent },
  { ...closed, description: "One line of a build's log." },
);

export const ImagePush = Type.Object(
  {
    reference: Type.String({ maxLength: 512, description: "HOST/NAME:TAG; names without a host are Docker Hub's." }),
    secret: Type.Optional(ScopedName),
  },
  closed,
);

export const ImagePushed = Type.Object(
  {
    reference: Type.String({ description: "In full." }),
    digest: Type.String({ description: "Of the image's manifest, by which the registry gives exactly this image." }),
  },
  closed,
);

export const ImagePushEvent = Type.Union(
  [progressEvent, Type.Object({ event: Type.Literal("pushed"), pushed: ImagePushed }, closed), failedEvent],
  { description: "One line of a push's answer." },
);

export const ImageContent = Type.Object({ digest: Digest, sizeBytes: Type.Integer() }, closed);

export const ImageImport = Type.Object({ content: Digest, name: Type.Optional(ImageName) }, closed);

export const ImageImportEvent = Type.Union([progressEvent, imageEvent, failedEvent], {
  description: "One line of an import's answer.",
});

export const ImageNaming = Type.Object({ name: ImageName }, closed);

export const ImagePrune = Type.Object(
  {
    images: Type.Array(Type.String(), { description: "Ids of the images that were, or would be, removed." }),
    freedBytes: Type.Integer(),
  },
  closed,
);

export type ImageConfig = Static<typeof ImageConfig>;
export type ImageOrigin = Static<typeof ImageOrigin>;
export type Image = Static<typeof Image>;
export type ImageSource = Static<typeof ImageSource>;
export type ImageStep = Static<typeof ImageStep>;
export type ImageBuild = Static<typeof ImageBuild>;
export type ImageBuildEvent = Static<typeof ImageBuildEvent>;
export type ImageBuildStarted = Static<typeof ImageBuildStarted>;
export type ImageLogEntry = Static<typeof ImageLogEntry>;
export type ImageContent = Static<typeof ImageContent>;
export type ImageImport = Static<typeof ImageImport>;
export type ImagePush = Static<typeof ImagePush>;
export type ImagePushed = Static<typeof ImagePushed>;
export type ImagePushEvent = Static<typeof ImagePushEvent>;
export type ImageImportEvent = Static<typeof ImageImportEvent>;
export type ImagePrune = Static<typeof ImagePrune>;

const ofImage = Type.Object({ image: Type.String({ maxLength: 255, description: "Id or name of an image." }) });
const digest = Type.Object({ digest: Digest });

export const imageRoutes = {
  buildImage: {
    method: "POST",
    path: "/v1/images/build",
    summary: "Build an image; the answer is one ImageBuildEvent in JSON a line, the last one being `image` or `failed`",
    body: ImageBuild,
    response: "bytes",
  },
  startImageBuild: {
    method: "POST",
    path: "/v1/images/builds",
    summary: "Begin to build an image, to be followed by its id; one that nobody follows for a minute is given up",
    body: ImageBuild,
    response: ImageBuildStarted,
  },
  followImageBuild: {
    method: "GET",
    path: "/v1/images/{image}/log",
    summary:
      "What an image's build tells, an ImageLogEntry in JSON a line, until its end: the event `image` or `failed`",
    params: ofImage,
    query: Type.Object(
      { after: Type.Optional(Type.Integer({ minimum: 0, description: "Entries to leave out." })) },
      closed,
    ),
    response: "bytes",
  },
  importImage: {
    method: "POST",
    path: "/v1/images/import",
    summary:
      "Make an image of an uploaded `docker save` or OCI archive; the answer is one ImageImportEvent in JSON a line, the last one being `image` or `failed`",
    body: ImageImport,
    response: "bytes",
  },
  exportImage: {
    method: "GET",
    path: "/v1/images/{image}/archive",
    summary: "The image as an OCI archive that `docker load` takes too; the header content-length says how long it is",
    params: ofImage,
    response: "bytes",
  },
  pushImage: {
    method: "POST",
    path: "/v1/images/{image}/push",
    summary:
      "Put the image into a registry; the answer is one ImagePushEvent in JSON a line, the last one being `pushed` or `failed`",
    params: ofImage,
    body: ImagePush,
    response: "bytes",
  },
  listImages: { method: "GET", path: "/v1/images", summary: "List images, newest first", response: ImageList },
  getImage: {
    method: "GET",
    path: "/v1/images/{image}",
    summary: "One image",
    params: ofImage,
    response: Image,
  },
  nameImage: {
    method: "PUT",
    path: "/v1/images/{image}/names",
    summary: "Give the image a name, taking it from another that had it",
    params: ofImage,
    body: ImageNaming,
    response: Image,
  },
  removeImage: {
    method: "DELETE",
    path: "/v1/images/{image}",
    summary: "Remove a name, or with an id the image and all its names",
    params: ofImage,
    response: "empty",
    status: 204,
  },
  pruneImages: {
    method: "POST",
    path: "/v1/images/prune",
    summary: "Remove built images that have no name and that no sandbox uses, and the build cache with them",
    query: Type.Object(
      {
        dryRun: Type.Optional(Type.Boolean()),
        unusedForMs: Type.Optional(
          Type.Integer({ minimum: 0, description: "Only what was not used for this long; 0 when absent." }),
        ),
      },
      closed,
    ),
    response: ImagePrune,
  },
  putImageContent: {
    method: "PUT",
    path: "/v1/image-contents/{digest}",
    summary: "Upload a tar archive for `add` steps, named by its SHA-256",
    params: digest,
    body: "bytes",
    response: ImageContent,
  },
  getImageContent: {
    method: "GET",
    path: "/v1/image-contents/{digest}",
    summary: "Whether an archive is there already",
    params: digest,
    response: ImageContent,
  },
} as const satisfies Record<string, Route>;

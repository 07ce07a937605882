/**
 * The native API, one row an operation. The server registers, validates and documents from this table, and the SDK's
 * types are generated from it, so an operation that is not here does not exist.
 */
import Type, { type TObject, type TSchema } from "typebox";
import * as schema from "./schemas.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Route {
  readonly method: Method;
  /** Path with `{name}` parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  /** A JSON body, or `bytes` for a raw one. */
  readonly body?: TSchema | "bytes";
  /** A JSON answer, `bytes` for a streamed one, `websocket` for an upgrade, `text` for plain text. */
  readonly response: TSchema | "bytes" | "websocket" | "text" | "empty";
  readonly status?: 200 | 201 | 204;
  /** Served without a token. */
  readonly isPublic?: true;
  /** Honours the `Idempotency-Key` header. */
  readonly isIdempotent?: true;
}

const sandboxId = Type.String({ maxLength: 64, description: "Id of a sandbox." });
const processId = Type.String({
  maxLength: 64,
  description: "Id of a process, or `main` for the sandbox's own command.",
});
const ofSandbox = Type.Object({ sandboxId });
const ofProcess = Type.Object({ sandboxId, processId });
const named = Type.Object({ name: schema.Name });
const ofImage = Type.Object({ image: Type.String({ maxLength: 255, description: "Id or name of an image." }) });
const digest = Type.Object({ digest: schema.ImageContent.properties.digest });
const path = schema.FilePath;
const user = Type.Optional(schema.FileUser);
const recursive = Type.Optional(Type.Boolean({ description: "Everything below it too." }));
const waitQuery = Type.Object(
  {
    timeoutMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 60_000,
        description: "Answer with the present state after this long at the latest; 0 answers at once. Default 30000.",
      }),
    ),
  },
  { additionalProperties: false },
);
const offset = Type.Optional(Type.Integer({ minimum: 0, description: "First byte wanted; 0 when absent." }));

export const routes = {
  health: {
    method: "GET",
    path: "/healthz",
    summary: "Whether the server answers",
    response: Type.Object({ ok: Type.Boolean(), version: Type.String() }),
    isPublic: true,
  },
  openapi: { method: "GET", path: "/openapi.json", summary: "This document", response: Type.Unknown(), isPublic: true },
  metrics: { method: "GET", path: "/metrics", summary: "Metrics in the Prometheus text format", response: "text" },
  status: {
    method: "GET",
    path: "/v1/status",
    summary: "Version, address, counts and isolation levels",
    response: schema.Status,
  },
  gc: {
    method: "POST",
    path: "/v1/gc",
    summary: "Find, and unless told otherwise remove, what belongs to no sandbox",
    query: Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
    response: schema.GcReport,
  },

  lookupApp: {
    method: "POST",
    path: "/v1/apps/lookup",
    summary: "Find an app by name, or make it",
    body: schema.AppLookup,
    response: schema.App,
  },
  listApps: { method: "GET", path: "/v1/apps", summary: "List apps", response: schema.AppList },

  createSandbox: {
    method: "POST",
    path: "/v1/sandboxes",
    summary: "Create a sandbox and start its command",
    body: schema.SandboxCreate,
    response: schema.Sandbox,
    status: 201,
    isIdempotent: true,
  },
  listSandboxes: {
    method: "GET",
    path: "/v1/sandboxes",
    summary: "List sandboxes, newest first",
    query: Type.Object(
      {
        app: Type.Optional(schema.Name),
        name: Type.Optional(schema.Name),
        tag: Type.Optional(
          Type.Array(Type.String({ pattern: "^[^=]+=.*$" }), { description: "KEY=VALUE; all must match." }),
        ),
        state: Type.Optional(schema.SandboxState),
        all: Type.Optional(Type.Boolean({ description: "Finished ones too." })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        cursor: Type.Optional(Type.String({ maxLength: 128 })),
      },
      { additionalProperties: false },
    ),
    response: schema.SandboxPage,
  },
  getSandbox: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}",
    summary: "One sandbox with its timeline",
    params: ofSandbox,
    response: schema.Sandbox,
  },
  waitSandbox: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/wait",
    summary: "Wait until the sandbox is finished",
    params: ofSandbox,
    query: waitQuery,
    response: schema.Sandbox,
  },
  waitSandboxReady: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/ready",
    summary: "Wait until the readiness probe has passed, or the sandbox is finished",
    params: ofSandbox,
    query: waitQuery,
    response: schema.Sandbox,
  },
  terminateSandbox: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/terminate",
    summary: "End the sandbox; does nothing to a finished one",
    params: ofSandbox,
    response: schema.Sandbox,
  },
  setSandboxTags: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/tags",
    summary: "Replace the sandbox's tags",
    params: ofSandbox,
    body: Type.Object({ tags: schema.SandboxCreate.properties.tags }, { additionalProperties: false }),
    response: schema.Sandbox,
  },

  exec: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes",
    summary: "Start a process in the sandbox",
    params: ofSandbox,
    body: schema.Exec,
    response: schema.Process,
    status: 201,
    isIdempotent: true,
  },
  listProcesses: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes",
    summary: "List the sandbox's processes",
    params: ofSandbox,
    response: schema.ProcessList,
  },
  getProcess: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}",
    summary: "One process",
    params: ofProcess,
    response: schema.Process,
  },
  waitProcess: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/wait",
    summary: "Wait until the process is finished",
    params: ofProcess,
    query: waitQuery,
    response: schema.Process,
  },
  readOutput: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/output/{stream}",
    summary: "Bytes of stdout or stderr from an offset, as they arrive, until the stream ends",
    params: Type.Object({ sandboxId, processId, stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]) }),
    query: Type.Object(
      {
        offset,
        follow: Type.Optional(Type.Boolean({ description: "With false, stop at what there is now. Default true." })),
      },
      { additionalProperties: false },
    ),
    response: "bytes",
  },
  writeStdin: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/stdin",
    summary: "Write bytes at an offset of stdin; a repeated write is not doubled",
    params: ofProcess,
    query: Type.Object(
      { offset, eof: Type.Optional(Type.Boolean({ description: "Close stdin after these bytes." })) },
      { additionalProperties: false },
    ),
    body: "bytes",
    response: schema.StdinPosition,
  },
  signalProcess: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/signal",
    summary: "Send a signal to the process and its group",
    params: ofProcess,
    body: Type.Object({ signal: Type.String({ pattern: "^SIG[A-Z0-9]+$" }) }, { additionalProperties: false }),
    response: schema.Process,
  },
  resizePty: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/resize",
    summary: "Change the size of the process's terminal",
    params: ofProcess,
    body: Type.Object(
      { rows: schema.Pty.properties.rows, cols: schema.Pty.properties.cols },
      { additionalProperties: false },
    ),
    response: schema.Process,
  },
  terminal: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/processes/{processId}/terminal",
    summary:
      "A WebSocket to the process's terminal. Binary messages are bytes; text messages are JSON: {resize:{rows,cols}} from the client, {result} from the server at the end. The subprotocol is `atoll`; a client that cannot set headers offers `bearer.TOKEN` beside it.",
    params: ofProcess,
    query: Type.Object({ offset }, { additionalProperties: false }),
    response: "websocket",
  },

  readFile: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files",
    summary: "Bytes of a file",
    params: ofSandbox,
    query: Type.Object(
      {
        path,
        offset,
        length: Type.Optional(Type.Integer({ minimum: 0, description: "Most bytes wanted; all when absent." })),
        user,
      },
      { additionalProperties: false },
    ),
    response: "bytes",
  },
  writeFile: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/files",
    summary: "Write the body to a file, as it comes",
    params: ofSandbox,
    query: Type.Object(
      {
        path,
        how: Type.Optional(
          Type.Union(
            [
              Type.Literal("truncate"),
              Type.Literal("replace"),
              Type.Literal("exclusive"),
              Type.Literal("append"),
              Type.Literal("update"),
              Type.Literal("existing"),
            ],
            {
              description:
                "truncate (when absent): empty the file first, or make it. replace: a new file takes its place once everything was written. exclusive: it must not exist. append: at its end. update: at the offset, the rest stays. existing: as update, and it must exist.",
            },
          ),
        ),
        offset,
        parents: Type.Optional(Type.Boolean({ description: "Make the directories it lies in." })),
        mode: Type.Optional(schema.Permissions),
        user,
      },
      { additionalProperties: false },
    ),
    body: "bytes",
    response: schema.FileEntry,
  },
  removeFile: {
    method: "DELETE",
    path: "/v1/sandboxes/{sandboxId}/files",
    summary: "Remove a file, a link, or a directory",
    params: ofSandbox,
    query: Type.Object({ path, recursive, user }, { additionalProperties: false }),
    response: "empty",
    status: 204,
  },
  statFile: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/stat",
    summary: "What is known of a file",
    params: ofSandbox,
    query: Type.Object(
      {
        path,
        follow: Type.Optional(Type.Boolean({ description: "With false, of a link itself. Default true." })),
        user,
      },
      { additionalProperties: false },
    ),
    response: schema.FileEntry,
  },
  listFiles: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/list",
    summary:
      "What is in a directory: a FileEntry in JSON a line, in the order of names. A failure after the first line is a last line {error}",
    params: ofSandbox,
    query: Type.Object({ path, recursive, user }, { additionalProperties: false }),
    response: "bytes",
  },
  makeDirectory: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/files/mkdir",
    summary: "Make a directory",
    params: ofSandbox,
    body: Type.Object(
      {
        path,
        parents: Type.Optional(
          Type.Boolean({ description: "Make the directories it lies in, and accept that it exists." }),
        ),
        mode: Type.Optional(schema.Permissions),
        user,
      },
      { additionalProperties: false },
    ),
    response: "empty",
    status: 204,
  },
  renameFile: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/files/rename",
    summary: "Rename a file or a directory",
    params: ofSandbox,
    body: Type.Object(
      {
        path,
        to: path,
        overwrite: Type.Optional(Type.Boolean({ description: "Replace what is there. Default true." })),
        user,
      },
      { additionalProperties: false },
    ),
    response: "empty",
    status: 204,
  },
  changeFileMode: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/files/chmod",
    summary: "Change permissions",
    params: ofSandbox,
    body: Type.Object({ path, mode: schema.Permissions, user }, { additionalProperties: false }),
    response: "empty",
    status: 204,
  },
  readArchive: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/archive",
    summary: "A directory and what is below it, or a file, as a tar archive",
    params: ofSandbox,
    query: Type.Object({ path, user }, { additionalProperties: false }),
    response: "bytes",
  },
  writeArchive: {
    method: "PUT",
    path: "/v1/sandboxes/{sandboxId}/files/archive",
    summary: "Extract a tar archive into a directory, which is made if missing; no link leads out of it",
    params: ofSandbox,
    query: Type.Object(
      {
        path,
        owners: Type.Optional(
          Type.Boolean({ description: "Give files to the users that the archive names, rather than to `user`." }),
        ),
        user,
      },
      { additionalProperties: false },
    ),
    body: "bytes",
    response: "empty",
    status: 204,
  },
  watchFiles: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/watch",
    summary: "Changes of a file or a directory from now on: a FileEvent in JSON a line, until the client goes away",
    params: ofSandbox,
    query: Type.Object(
      {
        path,
        recursive,
        type: Type.Optional(Type.Array(schema.FileEventType, { description: "Only these; all when absent." })),
        user,
      },
      { additionalProperties: false },
    ),
    response: "bytes",
  },

  putSecret: {
    method: "PUT",
    path: "/v1/secrets/{name}",
    summary: "Create or replace a secret",
    params: named,
    body: schema.SecretPut,
    response: schema.Secret,
  },
  listSecrets: {
    method: "GET",
    path: "/v1/secrets",
    summary: "List secrets: names and keys, never values",
    response: schema.SecretList,
  },
  getSecret: {
    method: "GET",
    path: "/v1/secrets/{name}",
    summary: "One secret: its keys, never its values",
    params: named,
    response: schema.Secret,
  },
  deleteSecret: {
    method: "DELETE",
    path: "/v1/secrets/{name}",
    summary: "Delete a secret",
    params: named,
    response: "empty",
    status: 204,
  },

  buildImage: {
    method: "POST",
    path: "/v1/images/build",
    summary: "Build an image; the answer is one ImageBuildEvent in JSON a line, the last one being `image` or `failed`",
    body: schema.ImageBuild,
    response: "bytes",
  },
  listImages: { method: "GET", path: "/v1/images", summary: "List images, newest first", response: schema.ImageList },
  getImage: {
    method: "GET",
    path: "/v1/images/{image}",
    summary: "One image",
    params: ofImage,
    response: schema.Image,
  },
  nameImage: {
    method: "PUT",
    path: "/v1/images/{image}/names",
    summary: "Give the image a name, taking it from another that had it",
    params: ofImage,
    body: schema.ImageNaming,
    response: schema.Image,
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
      { additionalProperties: false },
    ),
    response: schema.ImagePrune,
  },
  putImageContent: {
    method: "PUT",
    path: "/v1/image-contents/{digest}",
    summary: "Upload a tar archive for `add` steps, named by its SHA-256",
    params: digest,
    body: "bytes",
    response: schema.ImageContent,
  },
  getImageContent: {
    method: "GET",
    path: "/v1/image-contents/{digest}",
    summary: "Whether an archive is there already",
    params: digest,
    response: schema.ImageContent,
  },
  snapshotSandbox: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/snapshot",
    summary: "Make an image of the sandbox's file system as it is at one instant",
    params: ofSandbox,
    body: Type.Object({ name: Type.Optional(schema.ImageName) }, { additionalProperties: false }),
    response: schema.Snapshot,
    status: 201,
  },

  createToken: {
    method: "POST",
    path: "/v1/tokens",
    summary: "Create an API token",
    body: schema.TokenCreate,
    response: schema.NewToken,
    status: 201,
  },
  listTokens: { method: "GET", path: "/v1/tokens", summary: "List API tokens", response: schema.TokenList },
  deleteToken: {
    method: "DELETE",
    path: "/v1/tokens/{tokenId}",
    summary: "Revoke an API token",
    params: Type.Object({ tokenId: Type.String() }),
    response: "empty",
    status: 204,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;

/** Files inside sandboxes. */
import Type, { type Static } from "typebox";
import { offset, ofSandbox } from "./parameters.ts";
import type { Route } from "./route.ts";
import { closed, Instant } from "./values.ts";

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

export type FileEntry = Static<typeof FileEntry>;
export type FileEventType = Static<typeof FileEventType>;
export type FileEvent = Static<typeof FileEvent>;

const path = FilePath;
const user = Type.Optional(FileUser);
const recursive = Type.Optional(Type.Boolean({ description: "Everything below it too." }));

export const fileRoutes = {
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
      closed,
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
        mode: Type.Optional(Permissions),
        user,
      },
      closed,
    ),
    body: "bytes",
    response: FileEntry,
  },
  removeFile: {
    method: "DELETE",
    path: "/v1/sandboxes/{sandboxId}/files",
    summary: "Remove a file, a link, or a directory",
    params: ofSandbox,
    query: Type.Object({ path, recursive, user }, closed),
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
      closed,
    ),
    response: FileEntry,
  },
  listFiles: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/list",
    summary:
      "What is in a directory: a FileEntry in JSON a line, in the order of names. A failure after the first line is a last line {error}",
    params: ofSandbox,
    query: Type.Object({ path, recursive, user }, closed),
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
        mode: Type.Optional(Permissions),
        user,
      },
      closed,
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
      closed,
    ),
    response: "empty",
    status: 204,
  },
  changeFileMode: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/files/chmod",
    summary: "Change permissions",
    params: ofSandbox,
    body: Type.Object({ path, mode: Permissions, user }, closed),
    response: "empty",
    status: 204,
  },
  readArchive: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/files/archive",
    summary: "A directory and what is below it, or a file, as a tar archive",
    params: ofSandbox,
    query: Type.Object({ path, user }, closed),
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
      closed,
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
        type: Type.Optional(Type.Array(FileEventType, { description: "Only these; all when absent." })),
        user,
      },
      closed,
    ),
    response: "bytes",
  },
} as const satisfies Record<string, Route>;

/** Volumes: directories that outlive sandboxes and are shared between them, and the operations on their files from outside. */
import Type, { type Static } from "typebox";
import { FileEntry, FilePath, Permissions } from "./files.ts";
import { offset, ofSandbox } from "./parameters.ts";
import type { Route } from "./route.ts";
import { AbsolutePath, closed, Id, Instant, ScopedName } from "./values.ts";

const isShared = Type.Boolean({
  description: "An ordinary directory that everyone writes to at once, instead of commits and reloads.",
});

/** A file system needs room for its own tables. */
const leastVolumeBytes = 16 * 1024 ** 2;

const limitBytes = Type.Integer({
  minimum: leastVolumeBytes,
  maximum: 2 ** 50,
  description:
    "Most bytes in it, and in what a sandbox has of it; those of ATOLL_DEFAULT_VOLUME, else 16 GiB, when absent.",
});

export const Volume = Type.Object(
  {
    id: Id("vo", "Id of the volume."),
    name: Type.Optional(ScopedName),
    shared: isShared,
    version: Type.Integer({ description: "How often it was changed; a shared volume stays at 0." }),
    sizeBytes: Type.Integer({
      description: "Bytes on the disk, what later commits replaced included until it is merged.",
    }),
    limitBytes: Type.Optional(
      Type.Integer({ description: "Most bytes in it; a shared volume of an earlier version has no limit." }),
    ),
    createdAt: Instant,
    updatedAt: Instant,
    expiresAt: Type.Optional(Instant),
    usedBy: Type.Array(Type.String(), { description: "Ids of the sandboxes that have it mounted." }),
  },
  closed,
);

export const VolumeList = Type.Object({ items: Type.Array(Volume) }, closed);

export const VolumeCreate = Type.Object(
  { name: Type.Optional(ScopedName), shared: Type.Optional(isShared), limitBytes: Type.Optional(limitBytes) },
  {
    ...closed,
    description: "Without a name it is ephemeral: it lives for as long as heartbeats or sandboxes keep it.",
  },
);

export const VolumeLookup = Type.Object(
  {
    name: ScopedName,
    createIfMissing: Type.Optional(Type.Boolean()),
    shared: Type.Optional(isShared),
    limitBytes: Type.Optional(limitBytes),
  },
  closed,
);

export const VolumeMount = Type.Object(
  {
    volume: Type.String({ minLength: 1, maxLength: 129, description: "Id or name of the volume." }),
    path: AbsolutePath,
    readOnly: Type.Optional(Type.Boolean()),
    subPath: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: "Directory of the volume to mount instead of all of it; made if missing.",
      }),
    ),
  },
  closed,
);

export const MountedVolume = Type.Object(
  {
    volumeId: Id("vo", "Id of the volume."),
    name: Type.Optional(ScopedName),
    path: Type.String(),
    readOnly: Type.Boolean(),
    subPath: Type.Optional(Type.String()),
  },
  closed,
);

export const VolumeChange = Type.Object(
  {
    volumes: Type.Array(
      Type.Object(
        {
          volumeId: Id("vo", "Id of the volume."),
          path: Type.String(),
          version: Type.Integer({ description: "The volume's version that holds what the sandbox wrote." }),
          changed: Type.Boolean({ description: "Whether there was anything to commit." }),
        },
        closed,
      ),
    ),
  },
  closed,
);

export type Volume = Static<typeof Volume>;
export type VolumeMount = Static<typeof VolumeMount>;
export type MountedVolume = Static<typeof MountedVolume>;
export type VolumeChange = Static<typeof VolumeChange>;

const ofVolume = Type.Object({ volume: Type.String({ maxLength: 129, description: "Id or name of a volume." }) });
const path = FilePath;
const recursive = Type.Optional(Type.Boolean({ description: "Everything below it too." }));

export const volumeRoutes = {
  createVolume: {
    method: "POST",
    path: "/v1/volumes",
    summary: "Create a volume",
    body: VolumeCreate,
    response: Volume,
    status: 201,
    isIdempotent: true,
  },
  lookupVolume: {
    method: "POST",
    path: "/v1/volumes/lookup",
    summary: "Find a volume by name, or make it",
    body: VolumeLookup,
    response: Volume,
  },
  listVolumes: { method: "GET", path: "/v1/volumes", summary: "List volumes by name", response: VolumeList },
  getVolume: {
    method: "GET",
    path: "/v1/volumes/{volume}",
    summary: "One volume",
    params: ofVolume,
    response: Volume,
  },
  deleteVolume: {
    method: "DELETE",
    path: "/v1/volumes/{volume}",
    summary: "Delete a volume with all that is in it, unless a sandbox has it mounted",
    params: ofVolume,
    response: "empty",
    status: 204,
  },
  renameVolume: {
    method: "PUT",
    path: "/v1/volumes/{volume}/name",
    summary: "Give the volume another name",
    params: ofVolume,
    body: Type.Object({ name: ScopedName }, closed),
    response: Volume,
  },
  heartbeatVolume: {
    method: "POST",
    path: "/v1/volumes/{volume}/heartbeat",
    summary: "Keep an ephemeral volume for another 15 minutes",
    params: ofVolume,
    response: Volume,
  },

  readVolumeFile: {
    method: "GET",
    path: "/v1/volumes/{volume}/files",
    summary: "Bytes of a file",
    params: ofVolume,
    query: Type.Object(
      {
        path,
        offset,
        length: Type.Optional(Type.Integer({ minimum: 0, description: "Most bytes wanted; all when absent." })),
      },
      closed,
    ),
    response: "bytes",
  },
  writeVolumeFile: {
    method: "PUT",
    path: "/v1/volumes/{volume}/files",
    summary: "Put a file in place of what is there; the directories it lies in are made",
    params: ofVolume,
    query: Type.Object(
      {
        path,
        mode: Type.Optional(Permissions),
        exclusive: Type.Optional(Type.Boolean({ description: "It must not exist." })),
      },
      closed,
    ),
    body: "bytes",
    response: FileEntry,
  },
  removeVolumeFile: {
    method: "DELETE",
    path: "/v1/volumes/{volume}/files",
    summary: "Remove a file, a link, or a directory",
    params: ofVolume,
    query: Type.Object({ path, recursive }, closed),
    response: "empty",
    status: 204,
  },
  statVolumeFile: {
    method: "GET",
    path: "/v1/volumes/{volume}/files/stat",
    summary: "What is known of a file",
    params: ofVolume,
    query: Type.Object(
      { path, follow: Type.Optional(Type.Boolean({ description: "With false, of a link itself. Default true." })) },
      closed,
    ),
    response: FileEntry,
  },
  listVolumeFiles: {
    method: "GET",
    path: "/v1/volumes/{volume}/files/list",
    summary:
      "What is in a directory: a FileEntry in JSON a line, in the order of names. A failure after the first line is a last line {error}",
    params: ofVolume,
    query: Type.Object({ path, recursive }, closed),
    response: "bytes",
  },
  makeVolumeDirectory: {
    method: "POST",
    path: "/v1/volumes/{volume}/files/mkdir",
    summary: "Make a directory",
    params: ofVolume,
    body: Type.Object(
      {
        path,
        parents: Type.Optional(
          Type.Boolean({ description: "Make the directories it lies in, and accept that it exists." }),
        ),
        mode: Type.Optional(Permissions),
      },
      closed,
    ),
    response: "empty",
    status: 204,
  },
  renameVolumeFile: {
    method: "POST",
    path: "/v1/volumes/{volume}/files/rename",
    summary: "Rename a file or a directory",
    params: ofVolume,
    body: Type.Object(
      {
        path,
        to: path,
        overwrite: Type.Optional(Type.Boolean({ description: "Replace what is there. Default true." })),
      },
      closed,
    ),
    response: "empty",
    status: 204,
  },
  copyVolumeFiles: {
    method: "POST",
    path: "/v1/volumes/{volume}/files/copy",
    summary: "Copy files within the volume, into a directory if the target is one",
    params: ofVolume,
    body: Type.Object({ from: Type.Array(path, { minItems: 1, maxItems: 1000 }), to: path, recursive }, closed),
    response: "empty",
    status: 204,
  },
  readVolumeArchive: {
    method: "GET",
    path: "/v1/volumes/{volume}/files/archive",
    summary: "A directory and what is below it, or a file, as a tar archive",
    params: ofVolume,
    query: Type.Object({ path }, closed),
    response: "bytes",
  },
  writeVolumeArchive: {
    method: "PUT",
    path: "/v1/volumes/{volume}/files/archive",
    summary: "Put all files of a tar archive into a directory, which is made if missing, in one commit",
    params: ofVolume,
    query: Type.Object(
      { path, exclusive: Type.Optional(Type.Boolean({ description: "None of the files may exist." })) },
      closed,
    ),
    body: "bytes",
    response: Volume,
  },

  commitVolumes: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/volumes/commit",
    summary: "Commit what the sandbox has written to its volumes",
    params: ofSandbox,
    response: VolumeChange,
  },
  reloadVolumes: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/volumes/reload",
    summary: "Commit, and show the sandbox what others have committed meanwhile; no file of the volumes may be open",
    params: ofSandbox,
    response: VolumeChange,
  },
} as const satisfies Record<string, Route>;

import { reach } from "../sandboxes/reach.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { VolumeMounts } from "../volumes/mounts.ts";
import type { VolumeFiles } from "../volumes/volume-files.ts";
import type { Volumes } from "../volumes/volumes.ts";
import type { Handlers } from "./call.ts";
import { begun, bytesOf, lines } from "./files.ts";

const normalDirectoryMode = 0o755;

type Name =
  | "createVolume"
  | "lookupVolume"
  | "listVolumes"
  | "getVolume"
  | "deleteVolume"
  | "renameVolume"
  | "heartbeatVolume"
  | "readVolumeFile"
  | "writeVolumeFile"
  | "removeVolumeFile"
  | "statVolumeFile"
  | "listVolumeFiles"
  | "makeVolumeDirectory"
  | "renameVolumeFile"
  | "copyVolumeFiles"
  | "readVolumeArchive"
  | "writeVolumeArchive"
  | "commitVolumes"
  | "reloadVolumes";

export interface VolumeParts {
  readonly volumes: Volumes;
  readonly files: VolumeFiles;
  readonly mounts: VolumeMounts;
  readonly sandboxes: Sandboxes;
}

export function volumeHandlers({ volumes, files, mounts, sandboxes }: VolumeParts): Pick<Handlers, Name> {
  return {
    createVolume: async ({ body: { name, shared, limitBytes }, repeatable }) => {
      const wanted = { name, isShared: shared, limitBytes };
      return volumes.get(
        await sandboxes.answers.once(repeatable, async (answer) => (await volumes.create(wanted, answer)).id),
      );
    },
    lookupVolume: ({ body: { name, createIfMissing = false, shared, limitBytes } }) =>
      volumes.lookup({ name, isShared: shared, limitBytes }, createIfMissing),
    listVolumes: () => ({ items: volumes.list() }),
    getVolume: ({ params }) => volumes.get(params.volume),
    deleteVolume: async ({ params }) => {
      await volumes.remove(params.volume);
      return undefined;
    },
    renameVolume: ({ params, body }) => volumes.rename(params.volume, body.name),
    heartbeatVolume: ({ params }) => volumes.heartbeat(params.volume),
    readVolumeFile: async ({ params, query, signal }) => {
      const offset = query.offset ?? 0;
      const { source } = await files.read(params.volume, query.path, offset, query.length, signal);
      return { offset, source };
    },
    writeVolumeFile: ({ params, query, body, signal }) => {
      const { path, mode, exclusive = false } = query;
      return files.write(params.volume, path, bytesOf(body), { mode, exclusive }, signal);
    },
    removeVolumeFile: async ({ params, query, signal }) => {
      await files.remove(params.volume, query.path, query.recursive ?? false, signal);
      return undefined;
    },
    statVolumeFile: ({ params, query, signal }) => files.stat(params.volume, query.path, query.follow ?? true, signal),
    listVolumeFiles: ({ params, query, signal }) =>
      lines(files.list(params.volume, query.path, query.recursive ?? false, signal)),
    makeVolumeDirectory: async ({ params, body, signal }) => {
      const { path, mode = normalDirectoryMode, parents = false } = body;
      await files.makeDirectory(params.volume, path, mode, parents, signal);
      return undefined;
    },
    renameVolumeFile: async ({ params, body, signal }) => {
      await files.rename(params.volume, body.path, body.to, body.overwrite ?? true, signal);
      return undefined;
    },
    copyVolumeFiles: async ({ params, body, signal }) => {
      await files.copy(params.volume, body.from, body.to, body.recursive ?? false, signal);
      return undefined;
    },
    readVolumeArchive: async ({ params, query, signal }) => ({
      offset: 0,
      source: await begun(files.pack(params.volume, query.path, signal)),
    }),
    writeVolumeArchive: ({ params, query, body, signal }) =>
      files.unpack(params.volume, query.path, bytesOf(body), query.exclusive ?? false, signal),
    commitVolumes: async ({ params, signal }) => {
      await reach(sandboxes, params.sandboxId, "commit volumes", signal);
      return mounts.commit(params.sandboxId, signal);
    },
    reloadVolumes: async ({ params, signal }) => {
      await reach(sandboxes, params.sandboxId, "reload volumes", signal);
      return mounts.reload(params.sandboxId, signal);
    },
  };
}

import type { FileEntry } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { digestOf } from "../content-ids.ts";
import type { Core } from "../core.ts";
import {
  VolumeCopyFilesRequestSchema,
  VolumeListFilesRequestSchema,
  VolumeListFilesResponseSchema,
  VolumePutFilesRequestSchema,
  VolumeRemoveFileRequestSchema,
} from "../generated/volumes_pb.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";

/** FileEntry.FileType */
const types: Readonly<Record<FileEntry["type"], number>> = {
  file: 1,
  directory: 2,
  symlink: 3,
  fifo: 4,
  socket: 5,
  device: 0,
};

/** Files of volumes. Their contents come as those of mounts do. */
export function volumeFileRpcs({ volumeFiles, images: { contents } }: Core): Rpcs {
  const VolumeListFiles = serverStream(
    VolumeListFilesRequestSchema,
    VolumeListFilesResponseSchema,
    async function* ({ volumeId, path, recursive }, { signal }) {
      const place = absolute(path);
      const own = await volumeFiles.stat(volumeId, place, true, signal);
      if (own.type !== "directory") return yield { entries: [entryOf(own)] };
      for await (const entries of volumeFiles.list(volumeId, place, recursive, signal))
        yield { entries: entries.map(entryOf) };
    },
  );
  const VolumeRemoveFile = unary(VolumeRemoveFileRequestSchema, EmptySchema, async (request, { signal }) => {
    await volumeFiles.remove(request.volumeId, absolute(request.path), request.recursive, signal);
    return {};
  });
  const VolumeCopyFiles = unary(VolumeCopyFilesRequestSchema, EmptySchema, async (request, { signal }) => {
    const from = request.srcPaths.map(absolute);
    await volumeFiles.copy(request.volumeId, from, absolute(request.dstPath), request.recursive, signal);
    return {};
  });
  return {
    VolumePutFiles: unary(VolumePutFilesRequestSchema, EmptySchema, async (request, { signal }) => {
      const files = request.files.map(({ filename, sha256Hex, mode }) => {
        const digest = digestOf(sha256Hex);
        return {
          path: absolute(filename),
          ...(mode !== undefined && { mode }),
          read: () => contents.readLater(digest),
        };
      });
      await volumeFiles.writeMany(request.volumeId, files, request.disallowOverwriteExistingFiles, signal);
      return {};
    }),
    VolumeListFiles,
    VolumeRemoveFile,
    VolumeCopyFiles,
    // The same calls for volumes of version 2.
    VolumeListFiles2: VolumeListFiles,
    VolumeRemoveFile2: VolumeRemoveFile,
    VolumeCopyFiles2: VolumeCopyFiles,
  };
}

/** Their paths begin at the volume's root with or without a slash. */
export function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function entryOf({ path, type, size, modifiedAt }: FileEntry) {
  const mtime = BigInt(Math.floor(Date.parse(modifiedAt) / 1000));
  return { path: path.replace(/^\//, ""), type: types[type], size: BigInt(size), mtime };
}

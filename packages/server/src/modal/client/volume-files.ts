import type { FileEntry } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Contents } from "../../images/contents.ts";
import type { Core } from "../core.ts";
import { MountPutFileRequestSchema, MountPutFileResponseSchema } from "../generated/mounts_pb.ts";
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

/** Files of volumes, and the content that clients bring for them. */
export function volumeFileRpcs({ volumeFiles, images: { contents } }: Core): Rpcs {
  const has = (digest: string) => contents.get(digest).then(() => true, absent);
  return {
    MountPutFile: unary(MountPutFileRequestSchema, MountPutFileResponseSchema, async (request, { signal }) => {
      const digest = digestOf(request.sha256Hex);
      const { content } = request;
      if (content.case === undefined) return { exists: await has(digest) };
      if (content.case !== "data") throw new AtollError("not_found", `cannot find the blob ${content.value}`);
      await contents.put(digest, pieces(content.value), signal);
      return { exists: true };
    }),
    VolumePutFiles: unary(VolumePutFilesRequestSchema, EmptySchema, async (request, { signal }) => {
      const files = request.files.map(({ filename, sha256Hex, mode }) => {
        const digest = digestOf(sha256Hex);
        return {
          path: absolute(filename),
          ...(mode !== undefined && { mode }),
          read: () => readLater(contents, digest),
        };
      });
      await volumeFiles.writeMany(request.volumeId, files, request.disallowOverwriteExistingFiles, signal);
      return {};
    }),
    VolumeListFiles: serverStream(
      VolumeListFilesRequestSchema,
      VolumeListFilesResponseSchema,
      async function* ({ volumeId, path, recursive }, { signal }) {
        const place = absolute(path);
        const own = await volumeFiles.stat(volumeId, place, true, signal);
        if (own.type !== "directory") return yield { entries: [entryOf(own)] };
        for await (const entries of volumeFiles.list(volumeId, place, recursive, signal))
          yield { entries: entries.map(entryOf) };
      },
    ),
    VolumeRemoveFile: unary(VolumeRemoveFileRequestSchema, EmptySchema, async (request, { signal }) => {
      await volumeFiles.remove(request.volumeId, absolute(request.path), request.recursive, signal);
      return {};
    }),
    VolumeCopyFiles: unary(VolumeCopyFilesRequestSchema, EmptySchema, async (request, { signal }) => {
      const from = request.srcPaths.map(absolute);
      await volumeFiles.copy(request.volumeId, from, absolute(request.dstPath), request.recursive, signal);
      return {};
    }),
  };
}

async function* readLater(contents: Contents, digest: string): AsyncGenerator<Buffer> {
  yield* await contents.read(digest);
}

function digestOf(hex: string): string {
  if (/^[0-9a-f]{64}$/.test(hex)) return `sha256:${hex}`;
  throw new AtollError("invalid_argument", `cannot use ${JSON.stringify(hex)} as a SHA-256 in hexadecimal digits`);
}

function absent(error: unknown): false {
  if (error instanceof AtollError && error.code === "not_found") return false;
  throw error;
}

async function* pieces(data: Uint8Array): AsyncGenerator<Buffer> {
  yield Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Their paths begin at the volume's root with or without a slash. */
function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function entryOf({ path, type, size, modifiedAt }: FileEntry) {
  const mtime = BigInt(Math.floor(Date.parse(modifiedAt) / 1000));
  return { path: path.replace(/^\//, ""), type: types[type], size: BigInt(size), mtime };
}

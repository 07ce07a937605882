import { AtollError } from "../../error.ts";
import { systemError } from "../../files/file-error.ts";
import type { Contents } from "../../images/contents.ts";
import { digestOf } from "../content-ids.ts";
import type { Core } from "../core.ts";
import {
  type VolumePutFiles2Request_File as File,
  VolumeGetFile2RequestSchema,
  VolumeGetFile2ResponseSchema,
  VolumePutFiles2RequestSchema,
  VolumePutFiles2ResponseSchema,
} from "../generated/volumes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { blockBytes, downloadUrl, uploadUrl } from "../transfers.ts";
import { absolute } from "./volume-files.ts";

/** Files of volumes in blocks, which come and go over HTTP. A block that comes has no zeros at its end. */
export function volumeBlockRpcs({ volumeFiles, images: { contents }, signed }: Core): Rpcs {
  return {
    VolumePutFiles2: unary(VolumePutFiles2RequestSchema, VolumePutFiles2ResponseSchema, async (request, call) => {
      const missing = await missingBlocks(contents, request.files);
      if (missing.length > 0) {
        return {
          missingBlocks: missing.map(({ fileIndex, blockIndex, digest }) => ({
            fileIndex: BigInt(fileIndex),
            blockIndex: BigInt(blockIndex),
            putUrl: uploadUrl("blocks", digest, signed, call),
          })),
        };
      }
      const files = request.files.map((file) => ({
        path: absolute(file.path),
        ...(file.mode !== undefined && { mode: file.mode & 0o7777 }),
        read: () => assembled(contents, file),
      }));
      await volumeFiles.writeMany(request.volumeId, files, request.disallowOverwriteExistingFiles, call.signal);
      return {};
    }),
    VolumeGetFile2: unary(VolumeGetFile2RequestSchema, VolumeGetFile2ResponseSchema, async (request, call) => {
      const { volumeId } = request;
      const path = absolute(request.path);
      const { type, size: sizeBytes, modifiedAt } = await volumeFiles.stat(volumeId, path, true, call.signal);
      if (type !== "file") throw systemError(type === "directory" ? "EISDIR" : "EINVAL", `read ${path}`);
      const start = Math.min(Number(request.start), sizeBytes);
      const length = Math.min(Number(request.len) || sizeBytes, sizeBytes - start);
      const getUrls: string[] = [];
      for (let at = start; at < start + length; at += blockBytes) {
        const bytes = Math.min(blockBytes, start + length - at);
        getUrls.push(downloadUrl({ volumeId, path, start: at, bytes, sizeBytes, modifiedAt }, signed, call));
      }
      return { getUrls, size: BigInt(sizeBytes), start: BigInt(start), len: BigInt(length) };
    }),
  };
}

/** Each content once, however many blocks have it. @throws AtollError invalid_argument when blocks do not make up their file */
async function missingBlocks(contents: Contents, files: readonly File[]) {
  const missing = new Map<string, { fileIndex: number; blockIndex: number; digest: string }>();
  for (const [fileIndex, { path, size, blocks }] of files.entries()) {
    if (blocks.length !== Math.ceil(Number(size) / blockBytes)) {
      const message = `cannot write ${path}: ${blocks.length} blocks are not ${size} bytes`;
      throw new AtollError("invalid_argument", message);
    }
    for (const [blockIndex, { contentsSha256 }] of blocks.entries()) {
      const digest = digestOf(Buffer.from(contentsSha256).toString("hex"));
      if (!missing.has(digest) && !(await contents.has(digest))) missing.set(digest, { fileIndex, blockIndex, digest });
    }
  }
  return [...missing.values()];
}

async function* assembled(contents: Contents, { path, size, blocks }: File): AsyncGenerator<Buffer> {
  for (const [index, { contentsSha256 }] of blocks.entries()) {
    let left = Math.min(blockBytes, Number(size) - index * blockBytes);
    for await (const piece of await contents.read(digestOf(Buffer.from(contentsSha256).toString("hex")))) {
      left -= piece.length;
      yield piece;
    }
    if (left < 0) throw new AtollError("invalid_argument", `cannot write ${path}: a block of it is too long`);
    yield Buffer.alloc(left);
  }
}

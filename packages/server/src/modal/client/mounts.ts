import { Readable } from "node:stream";
import { AtollError } from "../../error.ts";
import { blobIdOf, digestOf, hexOf, listOfMount, mountIdOf } from "../content-ids.ts";
import type { Core } from "../core.ts";
import {
  BlobCreateRequestSchema,
  BlobCreateResponseSchema,
  MountBatchedCheckExistenceRequestSchema,
  MountBatchedCheckExistenceResponseSchema,
  type MountFile,
  type MountGetOrCreateRequest,
  MountGetOrCreateRequestSchema,
  MountGetOrCreateResponseSchema,
  type MountPutFileRequest,
  MountPutFileRequestSchema,
  MountPutFileResponseSchema,
} from "../generated/mounts_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { mostBlobBytes, uploadUrl } from "../transfers.ts";

const defaultMode = 0o644;

/** Files that clients bring along, by their contents, and lists of them, which are called mounts. */
export function mountRpcs({ images: { contents, fileLists }, signed }: Core): Rpcs {
  return {
    MountBatchedCheckExistence: unary(
      MountBatchedCheckExistenceRequestSchema,
      MountBatchedCheckExistenceResponseSchema,
      async ({ sha256HexHashes }) => {
        const missing: string[] = [];
        for (const hex of sha256HexHashes) if (!(await contents.has(digestOf(hex)))) missing.push(hex);
        return { missingSha256HexHashes: missing };
      },
    ),
    MountPutFile: unary(MountPutFileRequestSchema, MountPutFileResponseSchema, async (request, { signal }) => {
      const digest = digestOf(request.sha256Hex);
      if (request.content.case !== "data") {
        checkBlob(request, digest);
        return { exists: await contents.has(digest) };
      }
      await contents.put(digest, Readable.from([Buffer.from(request.content.value)]), signal);
      return { exists: true };
    }),
    MountGetOrCreate: unary(
      MountGetOrCreateRequestSchema,
      MountGetOrCreateResponseSchema,
      async (request, { signal }) => {
        refuseName(request);
        const list = await fileLists.put(request.files.map(listed), signal);
        return { mountId: mountIdOf(list), handleMetadata: { contentChecksumSha256Hex: hexOf(list) } };
      },
    ),
    BlobCreate: unary(BlobCreateRequestSchema, BlobCreateResponseSchema, (request, call) => {
      const digest = digestOf(Buffer.from(request.contentSha256Base64, "base64").toString("hex"));
      const { contentLength: bytes } = request;
      if (bytes > mostBlobBytes) {
        throw new AtollError(
          "payload_too_large",
          `cannot take a file of ${bytes} bytes: ${mostBlobBytes} are the most`,
          "Put it into a volume of version 2, whose files come in pieces.",
        );
      }
      const blobId = blobIdOf(digest);
      return { blobId, blobIds: [blobId], uploadUrls: { items: [uploadUrl("blobs", digest, signed, call)] } };
    }),
  };
}

function listed({ filename, sha256Hex, mode = defaultMode }: MountFile) {
  return { path: filename, mode: mode & 0o7777, digest: digestOf(sha256Hex) };
}

/** @throws AtollError when what was uploaded is another content */
function checkBlob({ content }: MountPutFileRequest, digest: string): void {
  if (content.case !== "dataBlobId" || content.value === blobIdOf(digest)) return;
  throw new AtollError("invalid_argument", `cannot take the blob ${content.value} as the content ${digest}`);
}

/** Mounts with a name are those of `add_python`: whole installations, which Modal keeps and nobody else. */
function refuseName({ deploymentName }: MountGetOrCreateRequest): void {
  if (deploymentName === "") return;
  throw new StatusError(
    "notFound",
    `cannot find the mount ${deploymentName}: Atoll keeps no Python to add to images. Take an image that has one, or install one in it`,
  );
}

/** The files of several mounts, as one list. @throws AtollError not_found */
export async function filesOfMounts({ images }: Core, mountIds: readonly string[]) {
  const lists = await Promise.all(mountIds.map((id) => images.fileLists.files(listOfMount(id))));
  return lists.flat();
}

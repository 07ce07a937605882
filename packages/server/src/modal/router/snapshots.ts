/** Snapshots of files, and images mounted into sandboxes that run. */
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { SnapshotRequest } from "../../images/images.ts";
import { checkTask } from "../client/access.ts";
import type { Core, TaskCall } from "../core.ts";
import {
  TaskMountDirectoryRequestSchema,
  TaskSnapshotDirectoryRequestSchema,
  TaskSnapshotDirectoryResponseSchema,
  TaskSnapshotFilesystemRequestSchema,
  TaskSnapshotFilesystemResponseSchema,
  TaskUnmountDirectoryRequestSchema,
} from "../generated/router_sandboxes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { imageOf } from "../ids.ts";

export function snapshotRpcs({ images }: Core): Rpcs<TaskCall> {
  const { mounts, builds } = images;
  /** Callers name their snapshots, and the same name always means the same one. */
  const taken = (request: Target & { readonly snapshotId: string }, wanted: SnapshotRequest, call: TaskCall) => {
    const sandboxId = target(request, call);
    const { snapshotId: key } = request;
    const repeatable = key === "" ? undefined : { scope: `modal snapshot ${sandboxId}`, key, request: wanted };
    return images.snapshot(sandboxId, wanted, repeatable, call.signal);
  };
  const emptyImage = async (signal: AbortSignal) =>
    (await builds.start({ from: { scratch: true }, steps: [] }, signal)).image;
  return {
    TaskSnapshotFilesystem: unary(
      TaskSnapshotFilesystemRequestSchema,
      TaskSnapshotFilesystemResponseSchema,
      async (request, call: TaskCall) => {
        const { image } = await taken(request, lifetime(request), call);
        return { imageId: image.id };
      },
    ),
    TaskSnapshotDirectory: unary(
      TaskSnapshotDirectoryRequestSchema,
      TaskSnapshotDirectoryResponseSchema,
      async (request, call: TaskCall) => {
        const wanted = { path: text(request.path), ...lifetime(request) };
        const { image } = await taken(request, wanted, call);
        return { imageId: image.id };
      },
    ),
    TaskMountDirectory: unary(TaskMountDirectoryRequestSchema, EmptySchema, async (request, call: TaskCall) => {
      const sandboxId = target(request, call);
      const image = request.imageId === "" ? await emptyImage(call.signal) : imageOf(request.imageId);
      await mounts.mount(sandboxId, { path: text(request.path), image }, call.signal);
      return {};
    }),
    TaskUnmountDirectory: unary(TaskUnmountDirectoryRequestSchema, EmptySchema, async (request, call: TaskCall) => {
      await mounts.unmount(target(request, call), text(request.path), call.signal);
      return {};
    }),
  };
}

interface Target {
  readonly taskId: string;
  readonly containerId: string;
  readonly customerSuppliedEncryptionKey?: Uint8Array | undefined;
}

/** @throws AtollError unsupported for a key: what is asked to be encrypted must not be kept in the clear */
function target({ taskId, containerId, customerSuppliedEncryptionKey: key }: Target, call: TaskCall): string {
  if (containerId !== "") throw new AtollError("not_found", `cannot find the container ${containerId}`);
  if (key !== undefined)
    throw new AtollError(
      "unsupported",
      "cannot use an encryption key: Atoll keeps images unencrypted",
      "Leave it out.",
    );
  return checkTask(taskId, call.sandboxId);
}

const longestTtlSeconds = 10n * 365n * 86_400n;

/** Clients send a number in each case: -1 for an image that is to stay. */
function lifetime({ ttlSeconds }: { readonly ttlSeconds?: bigint | undefined }): { readonly ttlMs?: number } {
  if (ttlSeconds === undefined || ttlSeconds === -1n) return {};
  if (ttlSeconds < 1n || ttlSeconds > longestTtlSeconds)
    throw new AtollError(
      "invalid_argument",
      `cannot keep a snapshot for ${ttlSeconds} seconds`,
      "Name 1 second to 10 years.",
    );
  return { ttlMs: Number(ttlSeconds) * 1000 };
}

/** Paths come as bytes. @throws AtollError invalid_argument for what is not UTF-8 */
function text(path: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(path);
  } catch {
    throw new AtollError("invalid_argument", "cannot use the path: it is not UTF-8");
  }
}

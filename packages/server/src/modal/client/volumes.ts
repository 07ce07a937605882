import type { Volume } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Volumes } from "../../volumes/volumes.ts";
import type { Core } from "../core.ts";
import {
  VolumeCommitRequestSchema,
  VolumeCommitResponseSchema,
  VolumeDeleteRequestSchema,
  VolumeGetByIdRequestSchema,
  VolumeGetByIdResponseSchema,
  type VolumeGetOrCreateRequest,
  VolumeGetOrCreateRequestSchema,
  VolumeGetOrCreateResponseSchema,
  VolumeHeartbeatRequestSchema,
  VolumeListRequestSchema,
  VolumeListResponseSchema,
  VolumeReloadRequestSchema,
  VolumeRenameRequestSchema,
} from "../generated/volumes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError, unlessUsed } from "../grpc/status.ts";
import { madeScope, namesOf, type Scope, scopeOf } from "../scope.ts";

/** ObjectCreationType */
const creation = { lookUp: 0, ifMissing: 1, unlessExists: 2, ephemeral: 5 } as const;
/** VolumeFsVersion, which decides about the calls that clients make. */
const newest = 2;
/** Of one answer, when the client does not say. */
const mostListed = 100;

export function volumeRpcs(core: Core): Rpcs {
  const { volumes, volumeMounts, sandboxes } = core;
  /** Whoever commits or reloads from outside means all sandboxes that have it. */
  const inAll = async (volumeId: string, act: (sandboxId: string) => Promise<unknown>) => {
    const running = volumes.get(volumeId).usedBy.filter((id) => sandboxes.get(id).state === "running");
    for (const id of running) await act(id);
    return {};
  };
  return {
    VolumeGetOrCreate: unary(VolumeGetOrCreateRequestSchema, VolumeGetOrCreateResponseSchema, async (request) => {
      const isFound = request.objectCreationType === creation.lookUp;
      const scope = (isFound ? scopeOf : madeScope)(core, request.environmentName);
      if (request.version > newest)
        throw new AtollError("invalid_argument", `cannot make a volume of version ${request.version}`);
      const { id } = await gotten(volumes, request, scope);
      const described = metadata(volumes, id);
      return { volumeId: id, version: described.version, metadata: described };
    }),
    VolumeGetById: unary(VolumeGetByIdRequestSchema, VolumeGetByIdResponseSchema, ({ volumeId }) => ({
      volumeId,
      metadata: metadata(volumes, volumeId),
    })),
    VolumeList: unary(VolumeListRequestSchema, VolumeListResponseSchema, (request) => {
      const { own, environmentName } = scopeOf(core, request.environmentName);
      const { maxObjects = mostListed, createdBefore = 0 } = request.pagination ?? {};
      const items = volumes
        .list()
        .filter(({ name }) => own(name) !== undefined)
        .map((volume) => ({
          label: own(volume.name) ?? "",
          volumeId: volume.id,
          createdAt: Date.parse(volume.createdAt) / 1000,
          metadata: metadata(volumes, volume.id),
        }))
        .filter(({ createdAt }) => createdBefore === 0 || createdAt < createdBefore)
        .sort((a, b) => b.createdAt - a.createdAt);
      return { items: items.slice(0, maxObjects || mostListed), environmentName };
    }),
    VolumeRename: unary(VolumeRenameRequestSchema, EmptySchema, ({ volumeId, name }) => {
      const { environmentName } = namesOf(volumes.get(volumeId).name ?? "");
      volumes.rename(volumeId, scopeOf(core, environmentName).full(name));
      return {};
    }),
    VolumeDelete: unary(VolumeDeleteRequestSchema, EmptySchema, async ({ volumeId }) => {
      await unlessUsed(() => volumes.remove(volumeId));
      return {};
    }),
    VolumeCommit: unary(VolumeCommitRequestSchema, VolumeCommitResponseSchema, ({ volumeId }, { signal }) =>
      inAll(volumeId, (sandboxId) => volumeMounts.commit(sandboxId, signal)),
    ),
    VolumeReload: unary(VolumeReloadRequestSchema, EmptySchema, ({ volumeId }, { signal }) =>
      inAll(volumeId, (sandboxId) => volumeMounts.reload(sandboxId, signal)),
    ),
    VolumeHeartbeat: unary(VolumeHeartbeatRequestSchema, EmptySchema, ({ volumeId }) => {
      volumes.heartbeat(volumeId);
      return {};
    }),
  };
}

async function gotten(
  volumes: Volumes,
  { objectCreationType: how, deploymentName: name, version }: VolumeGetOrCreateRequest,
  { full }: Scope,
): Promise<Volume> {
  const format = version || undefined;
  if (how === creation.ephemeral) return volumes.create({ format });
  if (how === creation.ifMissing) return volumes.lookup({ name: full(name), format }, true);
  const found = volumes.list().find((volume) => volume.name === full(name));
  if (how === creation.lookUp) {
    if (found) return found;
    throw new StatusError("notFound", `Volume '${name}' not found`);
  }
  if (how !== creation.unlessExists)
    throw new AtollError("invalid_argument", `cannot create a volume: there is no way of creation ${how}`);
  if (found) throw new StatusError("alreadyExists", `Volume '${name}' already exists`);
  return volumes.create({ name: full(name), format });
}

function metadata(volumes: Volumes, volumeId: string) {
  const { name = "", createdAt, format } = volumes.row(volumeId);
  return { version: format, name: namesOf(name).own, creationInfo: { createdAt: createdAt / 1000 } };
}

import type { Volume } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Volumes } from "../../volumes/volumes.ts";
import type { Core } from "../core.ts";
import {
  VolumeDeleteRequestSchema,
  VolumeGetByIdRequestSchema,
  VolumeGetByIdResponseSchema,
  type VolumeGetOrCreateRequest,
  VolumeGetOrCreateRequestSchema,
  VolumeGetOrCreateResponseSchema,
  VolumeHeartbeatRequestSchema,
  VolumeListRequestSchema,
  VolumeListResponseSchema,
  VolumeRenameRequestSchema,
} from "../generated/volumes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { checkEnvironment, environmentName } from "./environments.ts";

/** ObjectCreationType */
const creation = { lookUp: 0, ifMissing: 1, unlessExists: 2, ephemeral: 5 } as const;
/** VolumeFsVersion, which decides about the calls that clients make. */
const version = 1;
/** Of one answer, when the client does not say. */
const mostListed = 100;

export function volumeRpcs({ volumes }: Core): Rpcs {
  return {
    VolumeGetOrCreate: unary(VolumeGetOrCreateRequestSchema, VolumeGetOrCreateResponseSchema, async (request) => {
      checkEnvironment(request.environmentName);
      if (request.version > version) {
        const message = "cannot make a volume of version 2 for a Modal client yet";
        throw new AtollError("unsupported", message, "Leave the version out.");
      }
      const volume = await gotten(volumes, request);
      return { volumeId: volume.id, version, metadata: metadata(volume) };
    }),
    VolumeGetById: unary(VolumeGetByIdRequestSchema, VolumeGetByIdResponseSchema, ({ volumeId }) => ({
      volumeId,
      metadata: metadata(volumes.get(volumeId)),
    })),
    VolumeList: unary(VolumeListRequestSchema, VolumeListResponseSchema, (request) => {
      checkEnvironment(request.environmentName);
      const { maxObjects = mostListed, createdBefore = 0 } = request.pagination ?? {};
      const items = volumes
        .list()
        .filter(({ name }) => name !== undefined)
        .map((volume) => ({
          label: volume.name ?? "",
          volumeId: volume.id,
          createdAt: Date.parse(volume.createdAt) / 1000,
          metadata: metadata(volume),
        }))
        .filter(({ createdAt }) => createdBefore === 0 || createdAt < createdBefore)
        .sort((a, b) => b.createdAt - a.createdAt);
      return { items: items.slice(0, maxObjects || mostListed), environmentName };
    }),
    VolumeRename: unary(VolumeRenameRequestSchema, EmptySchema, ({ volumeId, name }) => {
      volumes.rename(volumeId, name);
      return {};
    }),
    VolumeDelete: unary(VolumeDeleteRequestSchema, EmptySchema, async ({ volumeId }) => {
      await volumes.remove(volumeId);
      return {};
    }),
    VolumeHeartbeat: unary(VolumeHeartbeatRequestSchema, EmptySchema, ({ volumeId }) => {
      volumes.heartbeat(volumeId);
      return {};
    }),
  };
}

async function gotten(
  volumes: Volumes,
  { objectCreationType: how, deploymentName: name }: VolumeGetOrCreateRequest,
): Promise<Volume> {
  if (how === creation.ephemeral) return volumes.create(undefined);
  if (how === creation.ifMissing) return volumes.lookup(name, true, undefined);
  const found = volumes.list().find((volume) => volume.name === name);
  if (how === creation.lookUp) {
    if (found) return found;
    throw new StatusError("notFound", `Volume '${name}' not found`);
  }
  if (how !== creation.unlessExists)
    throw new AtollError("invalid_argument", `cannot create a volume: there is no way of creation ${how}`);
  if (found) throw new StatusError("alreadyExists", `Volume '${name}' already exists`);
  return volumes.create(name);
}

function metadata({ name = "", createdAt }: Volume) {
  return { version, name, creationInfo: { createdAt: Date.parse(createdAt) / 1000 } };
}

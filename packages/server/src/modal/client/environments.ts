import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { mainEnvironment } from "../../environments/environments.ts";
import type { EnvironmentRow } from "../../store/rows.ts";
import type { Core } from "../core.ts";
import {
  EnvironmentCreateRequestSchema,
  EnvironmentDeleteRequestSchema,
  EnvironmentGetOrCreateRequestSchema,
  EnvironmentGetOrCreateResponseSchema,
  EnvironmentListResponseSchema,
  EnvironmentUpdateRequestSchema,
} from "../generated/environments_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";

/** Which recipes the clients write for images. */
export const builderVersion = "2025.06";
/** ObjectCreationType */
const createIfMissing = 1;
const settings = { imageBuilderVersion: builderVersion, webhookSuffix: "" };

export function environmentRpcs({ environments }: Core): Rpcs {
  const described = ({ id, name }: EnvironmentRow) => ({ environmentId: id, metadata: { name, settings } });
  return {
    EnvironmentGetOrCreate: unary(
      EnvironmentGetOrCreateRequestSchema,
      EnvironmentGetOrCreateResponseSchema,
      (request) => {
        const name = request.deploymentName || mainEnvironment.name;
        const isWanted = request.objectCreationType === createIfMissing && !environments.find(name);
        return described(isWanted ? environments.create(name) : environments.get(name));
      },
    ),
    EnvironmentList: unary(EmptySchema, EnvironmentListResponseSchema, () => ({
      items: environments.list().map(({ id, name, createdAt }) => ({
        name,
        environmentId: id,
        createdAt: createdAt / 1000,
        default: name === mainEnvironment.name,
      })),
    })),
    EnvironmentCreate: unary(EnvironmentCreateRequestSchema, EmptySchema, ({ name }) => {
      environments.create(name);
      return {};
    }),
    EnvironmentUpdate: unary(EnvironmentUpdateRequestSchema, EmptySchema, ({ currentName, name }) => {
      if (name) environments.rename(currentName, name);
      return {};
    }),
    EnvironmentDelete: unary(EnvironmentDeleteRequestSchema, EmptySchema, async ({ name }, { signal }) => {
      await environments.remove(name, signal);
      return {};
    }),
  };
}

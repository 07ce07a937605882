import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import {
  EnvironmentGetOrCreateRequestSchema,
  EnvironmentGetOrCreateResponseSchema,
  EnvironmentListResponseSchema,
} from "../generated/environments_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";

/** Which recipes the clients write for images. */
export const builderVersion = "2025.06";
const only = { name: "main", id: `en-${"0".repeat(22)}` } as const;

/** Of all that is there. */
export const environmentName = only.name;

/** There is one environment; its name may be left out. */
export function environmentRpcs(): Rpcs {
  return {
    EnvironmentGetOrCreate: unary(
      EnvironmentGetOrCreateRequestSchema,
      EnvironmentGetOrCreateResponseSchema,
      ({ deploymentName }) => {
        checkEnvironment(deploymentName);
        const settings = { imageBuilderVersion: builderVersion, webhookSuffix: "" };
        return { environmentId: only.id, metadata: { name: only.name, settings } };
      },
    ),
    EnvironmentList: unary(EmptySchema, EnvironmentListResponseSchema, () => ({
      items: [{ name: only.name, environmentId: only.id, default: true }],
    })),
  };
}

/** @throws AtollError not_found */
export function checkEnvironment(name: string): void {
  if (name === "" || name === only.name) return;
  throw new AtollError("not_found", `cannot find the environment "${name}"`, `There is one, "${only.name}".`);
}

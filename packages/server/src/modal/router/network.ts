import { checkTask } from "../client/access.ts";
import { networkPolicyOf } from "../client/network.ts";
import type { Core, TaskCall } from "../core.ts";
import {
  TaskSetNetworkAccessRequestSchema,
  TaskSetNetworkAccessResponseSchema,
} from "../generated/router_sandboxes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";

export function networkRpcs({ sandboxes }: Core): Rpcs<TaskCall> {
  return {
    TaskSetNetworkAccess: unary(
      TaskSetNetworkAccessRequestSchema,
      TaskSetNetworkAccessResponseSchema,
      async ({ taskId, networkAccess }, call: TaskCall) => {
        await sandboxes.updateNetworkPolicy(checkTask(taskId, call.sandboxId), networkPolicyOf(networkAccess));
        return {};
      },
    ),
  };
}

import { AtollError } from "../../error.ts";
import { reach } from "../../sandboxes/reach.ts";
import { checkTask } from "../client/access.ts";
import type { Core, TaskCall } from "../core.ts";
import { TaskReloadVolumesRequestSchema, TaskReloadVolumesResponseSchema } from "../generated/router_sandboxes_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";

export function routerVolumeRpcs({ sandboxes, volumeMounts }: Core): Rpcs<TaskCall> {
  return {
    TaskReloadVolumes: unary(
      TaskReloadVolumesRequestSchema,
      TaskReloadVolumesResponseSchema,
      async ({ taskId, containerId }, call: TaskCall) => {
        if (containerId !== "") throw new AtollError("not_found", `cannot find the container ${containerId}`);
        const sandboxId = checkTask(taskId, call.sandboxId);
        await reach(sandboxes, sandboxId, "reload volumes", call.signal);
        await volumeMounts.reload(sandboxId, call.signal);
        return {};
      },
    ),
  };
}

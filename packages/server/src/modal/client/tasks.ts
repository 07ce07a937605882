import type { Sandbox } from "@atoll/protocol";
import type { Core } from "../core.ts";
import {
  ContainerStopRequestSchema,
  ContainerStopResponseSchema,
  TaskGetInfoRequestSchema,
  TaskGetInfoResponseSchema,
  TaskListRequestSchema,
  TaskListResponseSchema,
} from "../generated/tasks_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { sandboxOfTask, taskIdOf } from "../ids.ts";
import { genericResult } from "../result.ts";
import { namesOf, scopeOf } from "../scope.ts";
import { runOf, sandboxesOfRun } from "./app-runs.ts";

/** What the command calls containers: the one task that each sandbox has. */
export function taskRpcs(core: Core): Rpcs {
  const { apps, sandboxes } = core;
  return {
    TaskList: unary(TaskListRequestSchema, TaskListResponseSchema, ({ environmentName, appId }) => {
      const scope = scopeOf(core, environmentName);
      const running = sandboxesOfRun(core, appId === "" ? undefined : runOf(core, appId));
      const isWanted = ({ app }: Sandbox) => appId !== "" || scope.own(app) !== undefined;
      return {
        tasks: running.filter(isWanted).map((sandbox) => ({
          taskId: taskIdOf(sandbox.id, "v1"),
          appId: apps.lookup(sandbox.app, false).id,
          appDescription: namesOf(sandbox.app).own,
          ...timesOf(sandbox),
        })),
      };
    }),
    TaskGetInfo: unary(TaskGetInfoRequestSchema, TaskGetInfoResponseSchema, ({ taskId }) => {
      const sandbox = sandboxes.get(sandboxOfTask(taskId));
      const { id: sandboxId, app, result } = sandbox;
      const ended = result && { result: genericResult(result) };
      return { appId: apps.lookup(app, false).id, info: { id: taskId, sandboxId, ...timesOf(sandbox), ...ended } };
    }),
    ContainerStop: unary(ContainerStopRequestSchema, ContainerStopResponseSchema, async ({ taskId }, { signal }) => {
      await sandboxes.terminate(sandboxOfTask(taskId), signal);
      return {};
    }),
  };
}

function timesOf({ createdAt, startedAt, finishedAt }: Sandbox) {
  return {
    enqueuedAt: secondsOf(createdAt),
    startedAt: secondsOf(startedAt),
    finishedAt: secondsOf(finishedAt),
  };
}

/** 0 for what has not happened. */
function secondsOf(instant: string | undefined): number {
  return instant === undefined ? 0 : Date.parse(instant) / 1000;
}

import type { App } from "@atoll/protocol";
import type { Core } from "../core.ts";
import {
  AppGetByDeploymentNameRequestSchema,
  AppGetByDeploymentNameResponseSchema,
  AppGetInfoRequestSchema,
  AppGetInfoResponseSchema,
  AppGetLifecycleRequestSchema,
  AppGetLifecycleResponseSchema,
  AppGetOrCreateRequestSchema,
  AppGetOrCreateResponseSchema,
  AppListRequestSchema,
  AppListResponseSchema,
} from "../generated/apps_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { runOf } from "./app-runs.ts";
import { checkEnvironment, environmentName } from "./environments.ts";

/** ObjectCreationType */
const createIfMissing = 1;
/** AppState */
const deployed = 3;

export function appRpcs(core: Core): Rpcs {
  const { apps, sandboxes } = core;
  return {
    AppGetOrCreate: unary(AppGetOrCreateRequestSchema, AppGetOrCreateResponseSchema, (request) => {
      checkEnvironment(request.environmentName);
      const app = apps.lookup(request.appName, request.objectCreationType === createIfMissing);
      return { appId: app.id, handleMetadata: { appId: app.id, description: app.name } };
    }),
    AppGetInfo: unary(AppGetInfoRequestSchema, AppGetInfoResponseSchema, ({ appId }) => {
      const { app } = runOf(core, appId);
      return { info: { appId, description: app } };
    }),
    AppGetByDeploymentName: unary(
      AppGetByDeploymentNameRequestSchema,
      AppGetByDeploymentNameResponseSchema,
      (request) => {
        checkEnvironment(request.environmentName);
        const found = apps.list().find(({ name }) => name === request.name);
        return { environmentName, ...(found && { appId: found.id, lifecycle: lifecycleOf(found) }) };
      },
    ),
    AppGetLifecycle: unary(AppGetLifecycleRequestSchema, AppGetLifecycleResponseSchema, ({ appId }) => ({
      lifecycle: lifecycleOf(apps.lookup(runOf(core, appId).app, false)),
    })),
    AppList: unary(AppListRequestSchema, AppListResponseSchema, (request) => {
      checkEnvironment(request.environmentName);
      const running = sandboxes.list({ tags: {}, all: false, limit: Number.MAX_SAFE_INTEGER - 1 }).items;
      return {
        apps: apps.list().map(({ id, name, createdAt }) => ({
          appId: id,
          name,
          description: name,
          state: deployed,
          createdAt: Date.parse(createdAt) / 1000,
          nRunningTasks: running.filter(({ app }) => app === name).length,
        })),
      };
    }),
  };
}

/** Apps are there for good; what runs in one can be stopped. */
function lifecycleOf({ createdAt }: App) {
  const at = Date.parse(createdAt) / 1000;
  return { appState: deployed, createdAt: at, deployedAt: at };
}

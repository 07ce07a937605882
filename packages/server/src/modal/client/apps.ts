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
import { madeScope, namesOf, scopeOf } from "../scope.ts";
import { runOf } from "./app-runs.ts";

/** ObjectCreationType */
const createIfMissing = 1;
/** AppState */
const deployed = 3;

export function appRpcs(core: Core): Rpcs {
  const { apps, sandboxes } = core;
  return {
    AppGetOrCreate: unary(AppGetOrCreateRequestSchema, AppGetOrCreateResponseSchema, (request) => {
      const isMade = request.objectCreationType === createIfMissing;
      const { full, environmentName } = (isMade ? madeScope : scopeOf)(core, request.environmentName);
      const { id } = apps.lookup(full(request.appName), isMade);
      return { appId: id, handleMetadata: { appId: id, description: request.appName, environmentName } };
    }),
    AppGetInfo: unary(AppGetInfoRequestSchema, AppGetInfoResponseSchema, ({ appId }) => {
      const { app } = runOf(core, appId);
      const { own, environmentName } = namesOf(app);
      return { info: { appId, description: own, environmentName } };
    }),
    AppGetByDeploymentName: unary(
      AppGetByDeploymentNameRequestSchema,
      AppGetByDeploymentNameResponseSchema,
      (request) => {
        const { full, environmentName } = scopeOf(core, request.environmentName);
        const found = apps.list().find(({ name }) => name === full(request.name));
        return { environmentName, ...(found && { appId: found.id, lifecycle: lifecycleOf(found) }) };
      },
    ),
    AppGetLifecycle: unary(AppGetLifecycleRequestSchema, AppGetLifecycleResponseSchema, ({ appId }) => ({
      lifecycle: lifecycleOf(apps.lookup(runOf(core, appId).app, false)),
    })),
    AppList: unary(AppListRequestSchema, AppListResponseSchema, (request) => {
      const { own } = scopeOf(core, request.environmentName);
      const running = sandboxes.list({ tags: {}, all: false, limit: Number.MAX_SAFE_INTEGER - 1 }).items;
      return {
        apps: apps
          .list()
          .filter(({ name }) => own(name) !== undefined)
          .map(({ id, name, createdAt }) => ({
            appId: id,
            name: own(name) ?? "",
            description: own(name) ?? "",
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

import type { Core } from "../core.ts";
import {
  AppGetInfoRequestSchema,
  AppGetInfoResponseSchema,
  AppGetOrCreateRequestSchema,
  AppGetOrCreateResponseSchema,
  AppListRequestSchema,
  AppListResponseSchema,
} from "../generated/apps_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { checkEnvironment } from "./environments.ts";

/** ObjectCreationType */
const createIfMissing = 1;
/** AppState */
const deployed = 3;

export function appRpcs({ apps, sandboxes }: Core): Rpcs {
  return {
    AppGetOrCreate: unary(AppGetOrCreateRequestSchema, AppGetOrCreateResponseSchema, (request) => {
      checkEnvironment(request.environmentName);
      const app = apps.lookup(request.appName, request.objectCreationType === createIfMissing);
      return { appId: app.id, handleMetadata: { appId: app.id, description: app.name } };
    }),
    AppGetInfo: unary(AppGetInfoRequestSchema, AppGetInfoResponseSchema, ({ appId }) => {
      const { id, name } = apps.get(appId);
      return { info: { appId: id, description: name } };
    }),
    AppList: unary(AppListRequestSchema, AppListResponseSchema, ({ environmentName }) => {
      checkEnvironment(environmentName);
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

import type { Sandbox } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import type { SecretSource } from "../generated/sandbox_pb.ts";
import {
  SandboxCreateRequestSchema,
  SandboxCreateResponseSchema,
  SandboxCreateV2RequestSchema,
  SandboxCreateV2ResponseSchema,
  SandboxGetFromNameRequestSchema,
  SandboxGetFromNameResponseSchema,
  SandboxGetTaskIdRequestSchema,
  SandboxGetTaskIdResponseSchema,
  SandboxListRequestSchema,
  SandboxListResponseSchema,
  SandboxSetNameRequestSchema,
  SandboxSetNameResponseSchema,
  SandboxTagsGetRequestSchema,
  SandboxTagsGetResponseSchema,
  SandboxTagsSetRequestSchema,
  SandboxTerminateRequestSchema,
  SandboxTerminateResponseSchema,
  SandboxWaitRequestSchema,
  SandboxWaitResponseSchema,
} from "../generated/sandboxes_pb.ts";
import { type Call, metadataOf } from "../grpc/call.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { type Family, familyId, imageIdOf, imageOf, sandboxIdOf, taskIdOf } from "../ids.ts";
import { genericResult } from "../result.ts";
import { scopeOf } from "../scope.ts";
import { routerAccess } from "./access.ts";
import { runOf } from "./app-runs.ts";
import { checkedName, sandboxCreate } from "./definition.ts";
import { imageWithMounts } from "./image-build.ts";
import { openTunnels } from "./tunnels.ts";

type CreateRequest = {
  readonly appId: string;
  readonly definition?: Parameters<typeof sandboxCreate>[0] | undefined;
  readonly tags: readonly { readonly tagName: string; readonly tagValue: string }[];
};
type Environment = Readonly<Record<string, string>>;

/** How long one wait may hold its answer back. */
const mostWaitMs = 60_000;
const pageSize = 100;
const everything = Number.MAX_SAFE_INTEGER - 1;

export function sandboxRpcs(core: Core): Rpcs {
  return {
    SandboxCreate: unary(SandboxCreateRequestSchema, SandboxCreateResponseSchema, async (request, call) => {
      const env = core.secrets.environment(request.definition?.secretIds ?? []);
      const { id, app } = await created(core, request, env, call);
      return { sandboxId: familyId(id, "v1"), metadata: metadata(core, app) };
    }),
    SandboxCreateV2: unary(SandboxCreateV2RequestSchema, SandboxCreateV2ResponseSchema, async (request, call) => {
      const { secretSources, ephemeralSecrets, definition } = request;
      const env =
        secretSources.length > 0
          ? environmentOf(core, secretSources)
          : { ...core.secrets.environment(definition?.secretIds ?? []), ...ephemeralSecrets?.contents };
      const { id, app } = await created(core, request, env, call);
      const commandRouterAccess = routerAccess(core, id, call);
      return {
        sandboxId: familyId(id, "v2"),
        taskId: taskIdOf(id, "v2"),
        metadata: metadata(core, app),
        tunnels: await openTunnels(core, id, call.signal),
        commandRouterAccess,
      };
    }),
    SandboxSetName: unary(SandboxSetNameRequestSchema, SandboxSetNameResponseSchema, async ({ sandboxId, name }) => {
      const { id, name: present = name } = core.sandboxes.get(sandboxIdOf(sandboxId));
      if (present !== name)
        throw new StatusError(
          "failedPrecondition",
          `cannot name the sandbox ${id} "${name}": it is named "${present}"`,
        );
      await core.sandboxes.rename(id, checkedName(name));
      return {};
    }),
    ...family(core, "v1", ""),
    ...family(core, "v2", "V2"),
  };
}

/** What both families have under names that differ by a suffix. */
function family(core: Core, of: Family, suffix: string): Rpcs {
  const { sandboxes } = core;
  const rows: Rpcs = {
    SandboxWait: unary(
      SandboxWaitRequestSchema,
      SandboxWaitResponseSchema,
      async ({ sandboxId, timeout }, { signal }) => {
        const waitMs = Math.min(Math.max(timeout, 0) * 1000, mostWaitMs);
        const { result, app } = await sandboxes.wait(sandboxIdOf(sandboxId), waitMs, signal);
        return { ...(result && { result: genericResult(result) }), metadata: metadata(core, app) };
      },
    ),
    SandboxTerminate: unary(
      SandboxTerminateRequestSchema,
      SandboxTerminateResponseSchema,
      async (request, { signal }) => {
        const id = sandboxIdOf(request.sandboxId);
        const { result } = sandboxes.get(id);
        if (!result) await sandboxes.terminate(id, signal);
        return result ? { existingResult: genericResult(result) } : {};
      },
    ),
    SandboxGetTaskId: unary(SandboxGetTaskIdRequestSchema, SandboxGetTaskIdResponseSchema, ({ sandboxId }) => {
      const { id, result } = sandboxes.get(sandboxIdOf(sandboxId));
      return { taskId: taskIdOf(id, of), ...(result && { taskResult: genericResult(result) }) };
    }),
    SandboxGetFromName: unary(SandboxGetFromNameRequestSchema, SandboxGetFromNameResponseSchema, (request) => {
      const { appName, sandboxName: name, includeTerminated: all } = request;
      const app = scopeOf(core, request.environmentName).full(appName);
      const [found] = sandboxes.list({ app, name, tags: {}, all, limit: 1 }).items;
      if (!found) throw new AtollError("not_found", `cannot find a sandbox named "${name}" in the app "${appName}"`);
      return { sandboxId: familyId(found.id, of), metadata: metadata(core, found.app) };
    }),
    SandboxList: unary(SandboxListRequestSchema, SandboxListResponseSchema, (request) => {
      const { own } = scopeOf(core, request.environmentName);
      const run = request.appId === "" ? undefined : runOf(core, request.appId);
      const tags = { ...tagsOf(request.tags), ...run?.tags };
      const { items } = sandboxes.list({ app: run?.app, tags, all: request.includeFinished, limit: everything });
      const wanted = items.filter(({ app }) => run !== undefined || own(app) !== undefined);
      return { sandboxes: page(wanted, request.beforeTimestamp).map((sandbox) => info(core, sandbox, of)) };
    }),
    SandboxTagsSet: unary(SandboxTagsSetRequestSchema, EmptySchema, ({ sandboxId, tags }) => {
      sandboxes.setTags(sandboxIdOf(sandboxId), tagsOf(tags));
      return {};
    }),
    SandboxTagsGet: unary(SandboxTagsGetRequestSchema, SandboxTagsGetResponseSchema, ({ sandboxId }) => ({
      tags: tagList(sandboxes.get(sandboxIdOf(sandboxId))),
    })),
  };
  return Object.fromEntries(Object.entries(rows).map(([name, rpc]) => [name + suffix, rpc]));
}

async function created(core: Core, request: CreateRequest, env: Environment, call: Call): Promise<Sandbox> {
  const { definition } = request;
  if (!definition) throw new AtollError("invalid_argument", "cannot create a sandbox without a definition");
  const run = runOf(core, request.appId);
  const image = await imageWithMounts(core, imageOf(definition.imageId), definition.mountIds, call.signal);
  const asked = sandboxCreate(definition, { app: run.app, image, env, tags: { ...tagsOf(request.tags), ...run.tags } });
  const key = metadataOf(call, "x-idempotency-key");
  const repeatable = key === "" ? undefined : { scope: "modal SandboxCreate", key, request: asked };
  return await core.sandboxes.create(asked, repeatable, call.signal);
}

/** Of equal variables the last wins. */
export function environmentOf({ secrets }: Core, sources: readonly SecretSource[]): Environment {
  const values = sources.map(({ source }) => {
    if (source.case === "secretId") return secrets.environment([source.value]);
    return source.value?.contents ?? {};
  });
  return Object.assign({}, ...values);
}

/** Those that were made before an instant, the newest first. Those of one millisecond stay together, for the next page begins below it. */
function page(items: readonly Sandbox[], before: number): Sandbox[] {
  const older = items.filter((item) => before === 0 || secondsOf(item.createdAt) < before);
  const last = older[pageSize - 1];
  return older.filter((item, index) => index < pageSize || item.createdAt === last?.createdAt);
}

function info(core: Core, sandbox: Sandbox, of: Family) {
  const { id, createdAt, startedAt, app, name, image, timeoutMs, result } = sandbox;
  return {
    id: familyId(id, of),
    createdAt: secondsOf(createdAt),
    ...metadata(core, app),
    metadata: metadata(core, app),
    tags: tagList(sandbox),
    name: name ?? "",
    imageId: imageIdOf(image),
    timeoutSecs: Math.ceil(timeoutMs / 1000),
    taskInfo: {
      id: taskIdOf(id, of),
      startedAt: startedAt === undefined ? 0 : secondsOf(startedAt),
      ...(result && { result: genericResult(result) }),
    },
  };
}

function metadata({ apps }: Core, app: string) {
  return { appId: apps.lookup(app, false).id };
}

function tagList({ tags }: Sandbox) {
  return Object.entries(tags).map(([tagName, tagValue]) => ({ tagName, tagValue }));
}

function tagsOf(tags: CreateRequest["tags"]): Record<string, string> {
  return Object.fromEntries(tags.map(({ tagName, tagValue }) => [tagName, tagValue]));
}

function secondsOf(instant: string): number {
  return Date.parse(instant) / 1000;
}

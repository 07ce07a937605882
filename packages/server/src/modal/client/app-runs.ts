import type { Sandbox } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import { randomText } from "../../id.ts";
import type { Core } from "../core.ts";
import {
  AppClientDisconnectRequestSchema,
  AppCreateRequestSchema,
  AppCreateResponseSchema,
  AppGetLayoutRequestSchema,
  AppGetLayoutResponseSchema,
  AppHeartbeatRequestSchema,
  AppPublishRequestSchema,
  AppPublishResponseSchema,
  AppStopRequestSchema,
} from "../generated/apps_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { madeScope } from "../scope.ts";

/** An app, or one run of it, which ends with the client that began it. */
export interface Run {
  readonly app: string;
  /** What its sandboxes are tagged with; empty for the app itself. */
  readonly tags: Readonly<Record<string, string>>;
}

const runTag = "modal-run";
const mostNameCharacters = 64;
const unnamed = "run";
const everything = Number.MAX_SAFE_INTEGER - 1;

/** Runs of apps (`app.run()`, `modal shell`). Nothing is kept of one but the tag of its sandboxes, which its id names. */
export function appRunRpcs(core: Core): Rpcs {
  const { apps } = core;
  const stop = async (appId: string, signal: AbortSignal) => {
    const running = sandboxesOfRun(core, runOf(core, appId));
    await Promise.all(running.map(({ id }) => core.sandboxes.terminate(id, signal)));
    return {};
  };
  return {
    AppCreate: unary(AppCreateRequestSchema, AppCreateResponseSchema, ({ description, environmentName }) => {
      const app = madeScope(core, environmentName).full(nameOf(description));
      return { appId: `${apps.lookup(app, true).id}R${randomText(16)}` };
    }),
    AppPublish: unary(AppPublishRequestSchema, AppPublishResponseSchema, () => ({})),
    AppHeartbeat: unary(AppHeartbeatRequestSchema, EmptySchema, () => ({})),
    AppGetLayout: unary(AppGetLayoutRequestSchema, AppGetLayoutResponseSchema, () => ({ appLayout: {} })),
    AppClientDisconnect: unary(AppClientDisconnectRequestSchema, EmptySchema, ({ appId }, { signal }) =>
      stop(appId, signal),
    ),
    AppStop: unary(AppStopRequestSchema, EmptySchema, ({ appId }, { signal }) => stop(appId, signal)),
  };
}

/** What they describe an app with is a name, or a few words. */
function nameOf(description: string): string {
  const name = description.replace(/[^a-zA-Z0-9._-]+/g, "-").replace(/^[^a-zA-Z0-9]+/, "");
  return name.slice(0, mostNameCharacters) || unnamed;
}

/** @throws AtollError not_found */
export function runOf({ apps }: Core, appId: string): Run {
  const [, own, run] = /^(ap-[0-9A-Za-z]{22})(?:R([0-9A-Za-z]{16}))?$/.exec(appId) ?? [];
  if (own === undefined) throw new AtollError("not_found", `cannot find the app ${JSON.stringify(appId)}`);
  return { app: apps.get(own).name, tags: run === undefined ? {} : { [runTag]: run } };
}

/** Those that have not finished; of all apps when none is named. */
export function sandboxesOfRun({ sandboxes }: Core, run: Run | undefined): readonly Sandbox[] {
  return sandboxes.list({ app: run?.app, tags: run?.tags ?? {}, all: false, limit: everything }).items;
}

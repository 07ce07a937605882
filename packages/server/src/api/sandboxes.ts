import { AtollError } from "../error.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Handlers } from "./call.ts";

const normalWaitMs = 30_000;
const normalPage = 100;

export function sandboxHandlers(
  sandboxes: Sandboxes,
): Pick<
  Handlers,
  | "createSandbox"
  | "listSandboxes"
  | "getSandbox"
  | "waitSandbox"
  | "waitSandboxReady"
  | "terminateSandbox"
  | "setSandboxTags"
  | "renameSandbox"
  | "updateNetworkPolicy"
  | "listNetworks"
> {
  return {
    createSandbox: ({ body, repeatable, signal }) => sandboxes.create(body, repeatable, signal),
    listSandboxes: ({ query }) => {
      const { app, name, state, all, limit, cursor } = query;
      checkCursor(cursor);
      const tags = Object.fromEntries((query.tag ?? []).map(tagOf));
      return sandboxes.list({ app, name, tags, state, all: all ?? false, limit: limit ?? normalPage, cursor });
    },
    getSandbox: ({ params }) => sandboxes.get(params.sandboxId),
    waitSandbox: ({ params, query, signal }) =>
      sandboxes.wait(params.sandboxId, query.timeoutMs ?? normalWaitMs, signal),
    waitSandboxReady: ({ params, query, signal }) =>
      sandboxes.waitReady(params.sandboxId, query.timeoutMs ?? normalWaitMs, signal),
    terminateSandbox: ({ params, signal }) => sandboxes.terminate(params.sandboxId, signal),
    setSandboxTags: ({ params, body }) => sandboxes.setTags(params.sandboxId, body.tags ?? {}),
    renameSandbox: ({ params, body }) => sandboxes.rename(params.sandboxId, body.name),
    updateNetworkPolicy: ({ params, body }) => sandboxes.updateNetworkPolicy(params.sandboxId, body),
    listNetworks: ({ query }) => ({ items: sandboxes.networks(query.app) }),
  };
}

function tagOf(text: string): [string, string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

function checkCursor(cursor: string | undefined): void {
  if (cursor === undefined || /^\d{1,15}$/.test(cursor)) return;
  throw new AtollError("invalid_argument", "cannot continue the list: the cursor is not one of this server's");
}

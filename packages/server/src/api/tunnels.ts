import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Tunnels } from "../tunnels/tunnels.ts";
import type { Handlers } from "./call.ts";

const normalWaitMs = 30_000;

export function tunnelHandlers(
  tunnels: Tunnels,
  sandboxes: Sandboxes,
): Pick<Handlers, "listTunnels" | "createConnectToken" | "tunnelAuthority"> {
  return {
    listTunnels: async ({ params, query, signal }) => ({
      items: await tunnels.list(sandboxes, params.sandboxId, query.timeoutMs ?? normalWaitMs, signal),
    }),
    createConnectToken: ({ params, body, signal }) =>
      tunnels.createConnectToken(sandboxes, params.sandboxId, body, signal),
    tunnelAuthority: () => tunnels.authority(),
  };
}

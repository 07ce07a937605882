import { type ConnectTokenCreate, schema, type Tunnel } from "@atoll/protocol";
import { Check } from "typebox/value";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import {
  SandboxCreateConnectTokenRequestSchema,
  SandboxCreateConnectTokenResponseSchema,
  SandboxGetTunnelsRequestSchema,
  SandboxGetTunnelsResponseSchema,
} from "../generated/network_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { sandboxIdOf } from "../ids.ts";

/** GenericResult.status */
const timedOut = 4;
const mostWaitMs = 600_000;

/** Where the ports of a sandbox that has just begun are reached; nothing when it is over already. */
export async function openTunnels({ tunnels, sandboxes }: Core, sandboxId: string, signal: AbortSignal) {
  if (sandboxes.get(sandboxId).result) return [];
  return (await tunnels.list(sandboxes, sandboxId, 0, signal)).map(tunnelData);
}

/** The same under the names of both families. */
export function tunnelRpcs({ tunnels, sandboxes }: Core): Rpcs {
  const SandboxGetTunnels = unary(
    SandboxGetTunnelsRequestSchema,
    SandboxGetTunnelsResponseSchema,
    async ({ sandboxId, timeout }, { signal }) => {
      const waitMs = Math.min(Math.max(timeout, 0) * 1000, mostWaitMs);
      try {
        return { tunnels: (await tunnels.list(sandboxes, sandboxIdOf(sandboxId), waitMs, signal)).map(tunnelData) };
      } catch (error) {
        if (error instanceof AtollError && error.code === "timeout")
          return { result: { status: timedOut, exception: error.message } };
        throw error;
      }
    },
  );
  const SandboxCreateConnectToken = unary(
    SandboxCreateConnectTokenRequestSchema,
    SandboxCreateConnectTokenResponseSchema,
    async ({ sandboxId, userMetadata, port }, { signal }) => {
      const wanted = checked({ ...(port !== undefined && { port }), ...(userMetadata && { userMetadata }) });
      const { url, token } = await tunnels.createConnectToken(sandboxes, sandboxIdOf(sandboxId), wanted, signal);
      return { url, token };
    },
  );
  return {
    SandboxGetTunnels,
    SandboxGetTunnelsV2: SandboxGetTunnels,
    SandboxCreateConnectToken,
    SandboxCreateConnectTokenV2: SandboxCreateConnectToken,
  };
}

export function tunnelData({ containerPort, host, port, unencryptedHost, unencryptedPort }: Tunnel) {
  return {
    containerPort,
    host,
    port,
    ...(unencryptedHost !== undefined && { unencryptedHost }),
    ...(unencryptedPort !== undefined && { unencryptedPort }),
  };
}

function checked(wanted: unknown): ConnectTokenCreate {
  if (Check(schema.ConnectTokenCreate, wanted)) return wanted;
  throw new AtollError(
    "invalid_argument",
    "cannot create a connect token: the port or the metadata is not valid",
    "A port is 1 to 65535; metadata is at most 2048 characters of printable ASCII.",
  );
}

/** What a sandbox reached outside, and what it was refused. */
import Type, { type Static } from "typebox";
import { ofSandbox } from "./parameters.ts";
import type { Route } from "./route.ts";
import { closed, Instant } from "./values.ts";

const Count = Type.Integer({ minimum: 0 });

export const NetworkLogEntry = Type.Object(
  {
    destination: Type.String({ description: "The name that was asked for, as the sandbox wrote it." }),
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
    protocol: Type.Union([Type.Literal("tcp"), Type.Literal("dns")], {
      description: "tcp: connections and requests; dns: questions to the name server that were refused.",
    }),
    verdict: Type.Union([Type.Literal("allowed"), Type.Literal("refused")]),
    reason: Type.Optional(Type.String({ description: "Why it was refused." })),
    address: Type.Optional(Type.String({ description: "Where the name led to, at the last connection." })),
    secret: Type.Optional(Type.String({ description: "The secret that was put into requests." })),
    count: { ...Count, description: "Connections, requests with a secret in them, or refusals." },
    sentBytes: { ...Count, description: "Out of the sandbox." },
    receivedBytes: { ...Count, description: "Into the sandbox." },
    firstAt: Instant,
    lastAt: Instant,
  },
  closed,
);

export const NetworkLog = Type.Object({ items: Type.Array(NetworkLogEntry) }, closed);

export type NetworkLogEntry = Static<typeof NetworkLogEntry>;

export const networkLogRoutes = {
  readNetworkLog: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/network-log",
    summary:
      "What a sandbox reached by name and was refused, a row each destination, the latest first; kept after its end",
    params: ofSandbox,
    response: NetworkLog,
  },
} as const satisfies Record<string, Route>;

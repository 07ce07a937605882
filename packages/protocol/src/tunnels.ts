/** Tunnels: the ways into a sandbox's ports, and the tokens that open its authenticated one. */
import Type, { type Static } from "typebox";
import { ofSandbox, waitQuery } from "./parameters.ts";
import type { Route } from "./route.ts";
import { closed, Instant } from "./values.ts";

export const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
export const Ports = Type.Array(Port, { maxItems: 32 });

export const Tunnel = Type.Object(
  {
    containerPort: Port,
    url: Type.String({ description: "https://HOST:PORT, without the port when it is 443." }),
    host: Type.String({ description: "Where TLS ends, and the server name to ask for." }),
    port: Port,
    unencryptedHost: Type.Optional(Type.String({ description: "Of a port that is open without TLS too." })),
    unencryptedPort: Type.Optional(Port),
  },
  closed,
);
export const TunnelList = Type.Object({ items: Type.Array(Tunnel) }, closed);

export const ConnectTokenCreate = Type.Object(
  {
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_535, description: "Of the service; 8080 when absent." }),
    ),
    userMetadata: Type.Optional(
      Type.String({
        pattern: "^[ -~]*$",
        maxLength: 2048,
        description: "Printable ASCII, which the service receives as the header X-Verified-User-Data.",
      }),
    ),
    ttlMs: Type.Optional(
      Type.Integer({ minimum: 1000, maximum: 604_800_000, description: "How long it is valid; an hour when absent." }),
    ),
  },
  closed,
);
export const ConnectToken = Type.Object({ url: Type.String(), token: Type.String(), expiresAt: Instant }, closed);

export const TunnelAuthority = Type.Object(
  {
    domain: Type.String({ description: "Names of tunnels end in this." }),
    certificate: Type.Optional(
      Type.String({ description: "The authority that signs for it, in PEM; absent with a certificate of one's own." }),
    ),
  },
  closed,
);

export type Tunnel = Static<typeof Tunnel>;
export type ConnectTokenCreate = Static<typeof ConnectTokenCreate>;
export type ConnectToken = Static<typeof ConnectToken>;
export type TunnelAuthority = Static<typeof TunnelAuthority>;

export const tunnelRoutes = {
  listTunnels: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/tunnels",
    summary: "Where the sandbox's ports are reached, once it runs",
    params: ofSandbox,
    query: waitQuery,
    response: TunnelList,
  },
  createConnectToken: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/connect-tokens",
    summary: "Make a token that opens a port of the sandbox over HTTPS to its bearer",
    params: ofSandbox,
    body: ConnectTokenCreate,
    response: ConnectToken,
    status: 201,
  },
  tunnelAuthority: {
    method: "GET",
    path: "/v1/tunnel-authority",
    summary: "The certificate authority that clients of tunnels are to trust",
    response: TunnelAuthority,
  },
} as const satisfies Record<string, Route>;

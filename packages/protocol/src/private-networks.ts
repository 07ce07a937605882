/** Private networks: which sandboxes reach each other. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Id, Name, ScopedName } from "./values.ts";

export const NetworkName = Type.String({
  pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
  description:
    "A private network of the app: its members reach each other, and nobody else reaches them. Lower-case letters, digits and '-'; at most 63.",
});

export const PrivateNetwork = Type.Object(
  {
    app: ScopedName,
    name: NetworkName,
    members: Type.Array(
      Type.Object(
        {
          sandboxId: Id("sb", "Id of the sandbox."),
          name: Type.Optional(Name),
          address: Type.Optional(Type.String({ description: "Absent until it has one." })),
        },
        closed,
      ),
    ),
  },
  closed,
);

export const PrivateNetworkList = Type.Object({ items: Type.Array(PrivateNetwork) }, closed);

export type PrivateNetwork = Static<typeof PrivateNetwork>;

export const privateNetworkRoutes = {
  listNetworks: {
    method: "GET",
    path: "/v1/networks",
    summary: "Private networks that have members, by app and name",
    query: Type.Object({ app: Type.Optional(ScopedName) }, closed),
    response: PrivateNetworkList,
  },
} as const satisfies Record<string, Route>;

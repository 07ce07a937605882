/** API tokens. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Id, Instant, Name } from "./values.ts";

export const Token = Type.Object(
  { id: Id("tk", "Id of the token."), name: Name, createdAt: Instant, lastUsedAt: Type.Optional(Instant) },
  closed,
);

export const TokenList = Type.Object({ items: Type.Array(Token) }, closed);

export const TokenCreate = Type.Object({ name: Name }, closed);

export const NewToken = Type.Object(
  {
    id: Id("tk", "Id of the token."),
    name: Name,
    createdAt: Instant,
    token: Type.String({ description: "Shown this once; only a hash is kept." }),
  },
  closed,
);

export type Token = Static<typeof Token>;
export type NewToken = Static<typeof NewToken>;

export const tokenRoutes = {
  createToken: {
    method: "POST",
    path: "/v1/tokens",
    summary: "Create an API token",
    body: TokenCreate,
    response: NewToken,
    status: 201,
  },
  listTokens: { method: "GET", path: "/v1/tokens", summary: "List API tokens", response: TokenList },
  deleteToken: {
    method: "DELETE",
    path: "/v1/tokens/{tokenId}",
    summary: "Revoke an API token",
    params: Type.Object({ tokenId: Type.String() }),
    response: "empty",
    status: 204,
  },
} as const satisfies Record<string, Route>;

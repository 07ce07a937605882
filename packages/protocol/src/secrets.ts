/** Secrets: named sets of variables whose values are never told. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Environment, Instant, Name } from "./values.ts";

export const Secret = Type.Object(
  { name: Name, keys: Type.Array(Type.String()), createdAt: Instant, updatedAt: Instant },
  closed,
);

export const SecretList = Type.Object({ items: Type.Array(Secret) }, closed);

export const SecretPut = Type.Object({ values: Environment }, closed);

export type Secret = Static<typeof Secret>;

const named = Type.Object({ name: Name });

export const secretRoutes = {
  putSecret: {
    method: "PUT",
    path: "/v1/secrets/{name}",
    summary: "Create or replace a secret",
    params: named,
    body: SecretPut,
    response: Secret,
  },
  listSecrets: {
    method: "GET",
    path: "/v1/secrets",
    summary: "List secrets: names and keys, never values",
    response: SecretList,
  },
  getSecret: {
    method: "GET",
    path: "/v1/secrets/{name}",
    summary: "One secret: its keys, never its values",
    params: named,
    response: Secret,
  },
  deleteSecret: {
    method: "DELETE",
    path: "/v1/secrets/{name}",
    summary: "Delete a secret",
    params: named,
    response: "empty",
    status: 204,
  },
} as const satisfies Record<string, Route>;

/** Secrets: named sets of variables whose values are never told. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Environment, Id, Instant, ScopedName } from "./values.ts";

export const Secret = Type.Object(
  {
    id: Id("st", "Id of the secret; what takes a name takes it too."),
    name: Type.Optional(ScopedName),
    keys: Type.Array(Type.String()),
    createdAt: Instant,
    updatedAt: Instant,
  },
  closed,
);

export const SecretList = Type.Object({ items: Type.Array(Secret) }, closed);

export const SecretPut = Type.Object({ values: Environment }, closed);

export const SecretUpdate = Type.Object(
  {
    set: Type.Optional(Environment),
    unset: Type.Optional(Type.Array(Type.String(), { description: "Keys to remove; those that are not there too." })),
  },
  closed,
);

export type Secret = Static<typeof Secret>;
export type SecretUpdate = Static<typeof SecretUpdate>;

const named = Type.Object({ name: { ...ScopedName, description: "Name or id of a secret." } });

export const secretRoutes = {
  putSecret: {
    method: "PUT",
    path: "/v1/secrets/{name}",
    summary: "Create or replace a secret",
    params: named,
    body: SecretPut,
    response: Secret,
  },
  createSecret: {
    method: "POST",
    path: "/v1/secrets",
    summary: "Create a secret without a name, which is removed once it was not used for 30 days",
    body: SecretPut,
    response: Secret,
    status: 201,
  },
  updateSecret: {
    method: "POST",
    path: "/v1/secrets/{name}/keys",
    summary: "Set and remove keys of a secret, and leave the others as they are",
    params: named,
    body: SecretUpdate,
    response: Secret,
  },
  listSecrets: {
    method: "GET",
    path: "/v1/secrets",
    summary: "List the secrets that have a name: names and keys, never values",
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

/** What the identity tokens of sandboxes are verified with; the names are those of OpenID Connect Discovery 1.0 and RFC 7517. */
import Type from "typebox";
import type { Route } from "./route.ts";
import { closed } from "./values.ts";

const texts = Type.Array(Type.String());

export const IdentityConfiguration = Type.Object(
  {
    issuer: Type.String(),
    jwks_uri: Type.String(),
    response_types_supported: texts,
    subject_types_supported: texts,
    id_token_signing_alg_values_supported: texts,
    claims_supported: texts,
  },
  closed,
);

export const IdentityKeys = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: Type.String(),
          n: Type.String(),
          e: Type.String(),
          use: Type.String(),
          alg: Type.String(),
          kid: Type.String(),
        },
        closed,
      ),
    ),
  },
  closed,
);

export const identityRoutes = {
  identityConfiguration: {
    method: "GET",
    path: "/.well-known/openid-configuration",
    summary: "Who signs the identity tokens of sandboxes, and how",
    response: IdentityConfiguration,
    isPublic: true,
  },
  identityKeys: {
    method: "GET",
    path: "/.well-known/jwks.json",
    summary: "The keys that identity tokens are verified with",
    response: IdentityKeys,
    isPublic: true,
  },
} as const satisfies Record<string, Route>;

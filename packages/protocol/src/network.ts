/** What a sandbox may reach: the same fields when it is created and when its policy is changed. */
import Type, { type Static } from "typebox";
import { closed } from "./values.ts";

export const networkPolicyFields = {
  blockNetwork: Type.Optional(
    Type.Boolean({ description: "Nothing leaves, by any protocol; loopback inside works. Excludes allowlists." }),
  ),
  outboundCidrAllowlist: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      maxItems: 1000,
      description:
        "Only these IPv4 and IPv6 ranges are reached, such as 203.0.113.0/24, and what outboundDomainAllowlist adds; with an empty list, nothing is.",
    }),
  ),
  outboundDomainAllowlist: Type.Optional(
    Type.Array(Type.String({ maxLength: 255 }), {
      maxItems: 1000,
      description:
        "Only these names are reached, over TLS on port 443, HTTP on port 80 and the proxy on port 3128, and what outboundCidrAllowlist adds: api.example.com, or *.example.com for every name below it.",
    }),
  ),
};

export const OutboundSecret = Type.Object(
  {
    domain: Type.String({ maxLength: 255, description: "One name that outboundDomainAllowlist allows." }),
    secret: Type.String({ minLength: 1, maxLength: 64, description: "Name or id of a secret of the server." }),
    headers: Type.Record(
      Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$" }),
      Type.String({ maxLength: 4096 }),
      {
        minProperties: 1,
        description: "Set in every request to the name over TLS on port 443; {{KEY}} is that key of the secret.",
      },
    ),
  },
  closed,
);
export type OutboundSecret = Static<typeof OutboundSecret>;

export const NetworkPolicy = Type.Object(networkPolicyFields, {
  ...closed,
  description: "What a sandbox may reach. Without any field: everything but the host, other sandboxes and link-local.",
});

export type NetworkPolicy = Static<typeof NetworkPolicy>;

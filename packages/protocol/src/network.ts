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
        "Only these IPv4 and IPv6 ranges are reached, such as 203.0.113.0/24; with an empty list, nothing is.",
    }),
  ),
};

export const NetworkPolicy = Type.Object(networkPolicyFields, {
  ...closed,
  description: "What a sandbox may reach. Without any field: everything but the host, other sandboxes and link-local.",
});

export type NetworkPolicy = Static<typeof NetworkPolicy>;

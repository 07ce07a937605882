/** What the egress program is told of a member of a private network: pure. */
import { isIPv4 } from "node:net";
import type { ClientPolicy } from "../egress/control.ts";
import { listOfIntervals } from "../egress/forbidden.ts";
import type { Membership } from "../engine/engine.ts";
import type { Outbound } from "./outbound.ts";

/** The domain of a network's names: the world's name servers have none below `internal`. */
export function domainOf(network: string): string {
  return `${network}.internal`;
}

/** @param client what it is told of the sandbox's policy, if anything */
export function asMember(
  client: ClientPolicy | undefined,
  { network, number, name }: Membership,
  policy: Outbound,
  nameServers: readonly string[],
): ClientPolicy {
  const servers = nameServers.filter((server) => isIPv4(server) && isReached(server, policy));
  const member = { number, domain: domainOf(network), name: name?.toLowerCase(), nameServers: servers };
  return { domains: [], intervals: [], rules: [], ...client, member };
}

function isReached(server: string, { mode, intervals }: Outbound): boolean {
  return mode === "open" || listOfIntervals(intervals).check(server);
}

/** Names within a private network, and what its members that are not limited to names ask beyond them. */

import type { Source } from "./answers.ts";
import type { Clients } from "./clients.ts";
import { codes, typeA } from "./dns-message.ts";
import { relay } from "./relay.ts";

/** A member may end, and another may have its name, at any moment. */
const ttlSeconds = 1;

/** A member is found by its name, and by that below the network's own domain. */
export function memberNames(clients: Clients): Source {
  return async ({ member }, { name, type }) => {
    if (member === undefined) return undefined;
    const suffix = `.${member.domain}`;
    const address = clients.memberNamed(name.endsWith(suffix) ? name.slice(0, -suffix.length) : name, member.number);
    if (address === undefined) return undefined;
    return type === typeA ? { code: codes.ok, addresses: [address], ttlSeconds } : { code: codes.ok };
  };
}

/** Other names are asked of those name servers that the member reaches itself. */
export function relayedNames(): Source {
  return async ({ member }, { name, message, protocol }) => {
    if (member === undefined || member.nameServers.length === 0 || name.endsWith(`.${member.domain}`)) return undefined;
    return (await relay(message, member.nameServers, protocol)) ?? { code: codes.failed };
  };
}

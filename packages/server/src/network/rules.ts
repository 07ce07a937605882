/** nftables rule sets, as text for `nft -f`: pure. Both are replaced whole in one transaction. */

import type { OfferedService } from "./host-services.ts";
import { gatewayAddress } from "./subnet.ts";

/** Where the egress program listens in the gateway. The first three are those that clients mean; the last is for who asks for a proxy by name. */
export const egressPorts = { names: 53, http: 80, tls: 443, proxy: 3128 } as const;

export interface GatewayRules {
  /** Sandboxes' side links all begin with this. */
  readonly slotPrefix: string;
  readonly uplink: string;
  /** The host's end of the uplink, the only one that begins connections to sandboxes. */
  readonly hostAddress: string;
  /** Where all sandboxes are, and the ends of the uplink. */
  readonly subnet: string;
  /** Addresses of name servers that stay reachable on port 53 even inside forbidden ranges. */
  readonly nameServers: readonly string[];
  readonly services: readonly OfferedService[];
}

/** Link-local (cloud metadata), loopback, multicast, reserved and "this network" are nowhere a sandbox has business. */
export const forbiddenRanges = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/**
 * Inside the gateway's network namespace: a sandbox reaches out through the uplink as its policy says, members of its private network, and nothing
 * else, neither the gateway nor another sandbox. The host reaches in. Both directions of a connection that a sandbox began are held against
 * the sets, so that a change takes effect on open connections too; a slot that is in no set neither sends nor receives.
 */
export function gatewayRules({ slotPrefix, uplink, hostAddress, subnet, nameServers, services }: GatewayRules): string {
  const slots = `"${slotPrefix}*"`;
  const servers = nameServers.filter((address) => !address.includes(":"));
  const toServers = `ip daddr { ${servers.join(", ")} } meta l4proto { tcp, udp } th dport 53`;
  const ifServers = (verdict: string) => (servers.length === 0 ? "" : `${toServers} ${verdict}`);
  const forbidden = `ip daddr { ${[...forbiddenRanges, subnet].join(", ")} }`;
  const pairs = services.map(({ offeredAt, port }) => `${offeredAt} . ${port}`).join(", ");
  const offered = pairs === "" ? "" : `iifname @open ip daddr . tcp dport { ${pairs} } accept`;
  const { names, http, tls, proxy } = egressPorts;
  const web = `{ ${[http, tls, proxy].join(", ")} }`;
  return `table inet atoll
delete table inet atoll
table inet atoll {
  set joined {
    type ifname
  }
  set open {
    type ifname
  }
  set allowed {
    type ifname . ipv4_addr
    flags interval
  }
  set named {
    type ifname
  }
  set proxied {
    type ifname
  }
  map network {
    type ifname : mark
  }
  set members {
    type ifname . mark
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname . ip daddr @allowed accept
    ip daddr ${subnet} accept
    iifname @named meta l4proto { tcp, udp } th dport ${names} redirect
    iifname @proxied tcp dport { ${http}, ${tls} } redirect
  }
  chain refuse {
    meta l4proto tcp ct state established reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain by_policy {
    iifname @open accept
    iifname . ip daddr @allowed accept
    goto refuse
  }
  chain outward {
    iifname @joined ct direction reply ct state established,related accept
    ${ifServers("goto by_policy")}
    ${offered}
    ${forbidden} goto refuse
    meta nfproto ipv4 goto by_policy
  }
  chain inward {
    ct direction original ip saddr ${hostAddress} oifname @joined accept
    ct direction original drop
    oifname @open accept
    oifname . ip saddr @allowed accept
    oifname @joined ct state related meta l4proto icmp accept
  }
  chain between {
    meta mark set 0
    meta mark set iifname map @network
    oifname . meta mark @members accept
    goto refuse
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${uplink}" oifname ${slots} goto inward
    iifname ${slots} oifname "${uplink}" goto outward
    iifname ${slots} oifname ${slots} goto between
    iifname ${slots} goto refuse
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname @joined meta l4proto icmp accept
    iifname @named meta l4proto { tcp, udp } th dport ${names} accept
    meta mark set 0
    meta mark set iifname map @network
    meta mark != 0 ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport ${names} accept
    iifname @proxied tcp dport ${web} accept
    iifname @joined ct state established tcp dport ${web} accept
    iifname ${slots} reject with icmpx admin-prohibited
    iifname "${uplink}" ct direction original meta l4proto { tcp, udp } th dport { ${[names, http, tls, proxy].join(", ")} } reject with icmpx admin-prohibited
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname ${slots} ct direction original reject with icmpx admin-prohibited
    ${ifServers("accept")}
    oifname "${uplink}" ct direction original ${forbidden} reject with icmpx admin-prohibited
  }
}
`;
}

export interface HostRules {
  readonly table: string;
  /** The host's end of the link to the gateway. */
  readonly link: string;
  readonly subnet: string;
  readonly services: readonly OfferedService[];
}

/**
 * On the host: what comes from sandboxes never reaches the host's own services but those that are offered, nor what the host passes on to others
 * under its own addresses, and leaves it under the host's address. Since the host
 * forwards, its neighbours could else begin connections to sandboxes, as could the sandboxes of another server on this machine.
 */
export function hostRules({ table, link, subnet, services }: HostRules): string {
  const led = services.map(
    ({ offeredAt, port, address }) => `ip daddr ${offeredAt} tcp dport ${port} dnat ip to ${address}`,
  );
  const addresses = services.map(({ offeredAt }) => offeredAt).join(", ");
  const ifOffered =
    addresses === "" ? "" : `iifname "${link}" ct status dnat ct original ip daddr { ${addresses} } accept`;
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain prerouting {
    type nat hook prerouting priority dstnat - 10; policy accept;
    ${led.map((rule) => `iifname "${link}" ${rule}`).join("\n    ")}
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${link}" ct state established,related accept
    ${ifOffered}
    iifname "${link}" reject with icmpx admin-prohibited
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ${ifOffered}
    iifname "${link}" ct status dnat reject with icmpx admin-prohibited
    oifname "${link}" ct state established,related accept
    oifname "${link}" reject with icmpx admin-prohibited
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname != "${link}" masquerade
  }
}
`;
}

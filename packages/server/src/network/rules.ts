/** nftables rule sets, as text for `nft -f`: pure. Both are replaced whole in one transaction. */

export interface GatewayRules {
  /** Sandboxes' side links all begin with this. */
  readonly slotPrefix: string;
  readonly uplink: string;
  /** Addresses of name servers that stay reachable on port 53 even inside forbidden ranges. */
  readonly nameServers: readonly string[];
}

/** Link-local (cloud metadata), loopback, multicast, reserved and "this network" are nowhere a sandbox has business. */
const forbiddenRanges = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/**
 * Inside the gateway's network namespace: a sandbox reaches out through the uplink and nothing else, neither the gateway nor another
 * sandbox. The host reaches in.
 */
export function gatewayRules({ slotPrefix, uplink, nameServers }: GatewayRules): string {
  const servers = nameServers.filter((address) => !address.includes(":"));
  const names =
    servers.length === 0 ? "" : `ip daddr { ${servers.join(", ")} } meta l4proto { tcp, udp } th dport 53 accept`;
  return `table inet atoll
delete table inet atoll
table inet atoll {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "${uplink}" oifname "${slotPrefix}*" accept
    iifname "${slotPrefix}*" oifname != "${uplink}" reject with icmpx admin-prohibited
    ${names}
    iifname "${slotPrefix}*" ip daddr { ${forbiddenRanges.join(", ")} } reject with icmpx admin-prohibited
    iifname "${slotPrefix}*" meta nfproto ipv4 accept
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    iifname "${slotPrefix}*" meta l4proto != icmp reject with icmpx admin-prohibited
  }
}
`;
}

export interface HostRules {
  readonly table: string;
  /** The host's end of the link to the gateway. */
  readonly link: string;
  readonly subnet: string;
}

/**
 * On the host: what comes from sandboxes never reaches the host's own services, and leaves it under the host's address. Since the host
 * forwards, its neighbours could else begin connections to sandboxes, as could the sandboxes of another server on this machine.
 */
export function hostRules({ table, link, subnet }: HostRules): string {
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${link}" ct state established,related accept
    iifname "${link}" reject with icmpx admin-prohibited
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
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

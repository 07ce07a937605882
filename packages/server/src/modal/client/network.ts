/** What a sandbox may reach, and who may reach it, as the core takes it: pure. */
import type { NetworkPolicy } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import { range } from "../../network/cidr.ts";
import type { Sandbox as Definition, NetworkAccess, PortSpec } from "../generated/sandbox_pb.ts";

/** NetworkAccess.NetworkAccessType */
const [blocked, allowList] = [2, 3];
/** PortSpec.tunnel_type */
const http2 = 1;

/** @throws AtollError invalid_argument that names the item */
export function networkPolicyOf(access: NetworkAccess | undefined): NetworkPolicy {
  if (access?.networkAccessType === blocked) return { blockNetwork: true };
  if (access?.networkAccessType !== allowList) return {};
  const { allowedCidrs, allowedDomains } = access;
  return {
    outboundCidrAllowlist: ranges(allowedCidrs, "let out to"),
    ...(allowedDomains.length > 0 && { outboundDomainAllowlist: [...allowedDomains] }),
  };
}

export function portsOf({ openPorts, inboundCidrAllowlist: inbound }: Definition) {
  const ports = openPorts?.ports ?? [];
  return {
    ...listed(
      "encryptedPorts",
      ports.filter((port) => !port.unencrypted && port.tunnelType !== http2),
    ),
    ...listed(
      "h2Ports",
      ports.filter((port) => !port.unencrypted && port.tunnelType === http2),
    ),
    ...listed(
      "unencryptedPorts",
      ports.filter((port) => port.unencrypted),
    ),
    ...(inbound.length > 0 && { inboundCidrAllowlist: ranges(inbound, "let in from") }),
  };
}

function listed(name: "encryptedPorts" | "h2Ports" | "unencryptedPorts", ports: readonly PortSpec[]) {
  return ports.length > 0 ? { [name]: ports.map(({ port }) => port) } : {};
}

function ranges(cidrs: readonly string[], what: string): string[] {
  const wrong = cidrs.find((cidr) => !range(cidr));
  if (wrong === undefined) return [...cidrs];
  throw new AtollError(
    "invalid_argument",
    `cannot ${what} a range: Invalid CIDR: ${wrong}`,
    "Write ranges as 203.0.113.0/24 or 2001:db8::/32, with no bits set beyond the prefix.",
  );
}

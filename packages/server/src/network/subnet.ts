/** Addresses of one server's sandboxes: pure arithmetic on a /16. */

/** The gateway's address on each sandbox's link; link-local, so it takes nothing from the subnet. */
export const gatewayAddress = "169.254.1.1";
const firstSlot = 256;
/** Most slots in a /16, less the part kept for the gateway's own link. */
export const slotLimit = 65_536 - firstSlot - 1;

const candidateCount = 64;

export interface Subnet {
  /** Such as 10.231.0.0/16. */
  readonly cidr: string;
  /** Host's and gateway's ends of the link between them. */
  readonly hostAddress: string;
  readonly gatewayUplink: string;
  slotAddress(index: number): string;
  /** One of the first 256, which no slot has. */
  reservedAddress(number: number): string;
}

/** @throws Error unless `cidr` is a /16 */
export function subnet(cidr: string): Subnet {
  const match = /^(\d{1,3})\.(\d{1,3})\.0\.0\/16$/.exec(cidr);
  const [high, low] = [Number(match?.[1]), Number(match?.[2])];
  if (!(match && high < 256 && low < 256))
    throw new Error(`cannot use the subnet ${cidr}: it must be a /16 such as 10.231.0.0/16`);
  const address = (host: number) => `${high}.${low}.${host >> 8}.${host & 255}`;
  return {
    cidr,
    hostAddress: address(1),
    gatewayUplink: address(2),
    slotAddress: (index) => address(firstSlot + index),
    reservedAddress: address,
  };
}

/**
 * A /16 that shares no address with networks and addresses in use; undefined when there is none.
 * @param seed differs from server to server, so that several on one machine rarely meet
 */
export function freeSubnet(seed: number, inUse: readonly string[]): string | undefined {
  const candidates = Array.from({ length: candidateCount }, (_, step) => 192 + ((seed + step) % candidateCount));
  return candidates.map((number) => `10.${number}.0.0/16`).find((cidr) => !inUse.some((used) => overlaps(used, cidr)));
}

/** Whether two IPv4 networks in CIDR notation share an address. A lone address counts as a /32. */
export function overlaps(one: string, other: string): boolean {
  const [a, b] = [network(one), network(other)];
  if (!(a && b)) return false;
  const bits = Math.min(a.bits, b.bits);
  const mask = bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0;
  return (a.address & mask) >>> 0 === (b.address & mask) >>> 0;
}

function network(cidr: string): { address: number; bits: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(cidr);
  if (!match) return undefined;
  const [a, b, c, d] = match.slice(1, 5).map(Number);
  return {
    address: (((a ?? 0) << 24) | ((b ?? 0) << 16) | ((c ?? 0) << 8) | (d ?? 0)) >>> 0,
    bits: Number(match[5] ?? 32),
  };
}

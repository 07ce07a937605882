/** Ranges of addresses in CIDR notation: pure. */
import { isIPv4, isIPv6 } from "node:net";

export interface Range {
  readonly family: 4 | 6;
  /** Addresses as numbers, both inclusive. */
  readonly first: bigint;
  readonly last: bigint;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/** @returns undefined for what is no range; bits beyond the prefix must be 0. A lone address is a range of one */
export function range(cidr: string): Range | undefined {
  const [text = "", length, ...rest] = cidr.split("/");
  const family = isIPv4(text) ? 4 : isIPv6(text) && !text.includes("%") ? 6 : undefined;
  if (family === undefined || rest.length > 0) return undefined;
  const bits = bitsOf[family];
  if (length !== undefined && !(/^(0|[1-9]\d{0,2})$/.test(length) && Number(length) <= bits)) return undefined;
  const first = family === 4 ? ipv4(text) : ipv6(text);
  const hostMask = (1n << BigInt(bits - Number(length ?? bits))) - 1n;
  return (first & hostMask) === 0n ? { family, first, last: first | hostMask } : undefined;
}

/** The same addresses in as few ranges as possible, in order; none overlaps another. */
export function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const next of ranges.toSorted((a, b) => a.family - b.family || compare(a.first, b.first))) {
    const last = result.at(-1);
    if (last?.family !== next.family || next.first > last.last + 1n) result.push(next);
    else if (next.last > last.last) result[result.length - 1] = { ...last, last: next.last };
  }
  return result;
}

/** `first-last` of IPv4, or the address alone, as nftables writes intervals. */
export function interval({ first, last }: Range): string {
  return first === last ? dotted(first) : `${dotted(first)}-${dotted(last)}`;
}

function dotted(address: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join(".");
}

function ipv4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** @param text that isIPv6 has accepted */
function ipv6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = Array<bigint>(8 - before.length - after.length).fill(0n);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n);
}

function groups(text: string): bigint[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [BigInt(`0x${part}`)];
    const address = ipv4(part);
    return [address >> 16n, address & 0xffffn];
  });
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

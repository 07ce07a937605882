/** A network policy as the gateway keeps it: pure. */
import type { NetworkPolicy } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { interval, merged, type Range, range } from "./cidr.ts";

export interface Outbound {
  /** `listed`: only `intervals`. */
  readonly mode: "open" | "blocked" | "listed";
  /** IPv4, as nftables writes them, none overlapping another. Sandboxes have no IPv6, so its ranges match nothing. */
  readonly intervals: readonly string[];
}

export const open: Outbound = { mode: "open", intervals: [] };

/** @throws AtollError invalid_argument that names the item */
export function outbound(policy: NetworkPolicy): Outbound {
  const { blockNetwork = false, outboundCidrAllowlist: allowlist } = policy;
  if (blockNetwork && allowlist !== undefined)
    throw new AtollError(
      "invalid_argument",
      "cannot have both blockNetwork and outboundCidrAllowlist",
      "Give one of them; an empty outboundCidrAllowlist also lets nothing out.",
    );
  if (blockNetwork) return { mode: "blocked", intervals: [] };
  if (allowlist === undefined) return open;
  const ranges = merged(allowlist.map(rangeOf));
  return { mode: "listed", intervals: ranges.filter(({ family }) => family === 4).map(interval) };
}

function rangeOf(cidr: string): Range {
  const found = range(cidr);
  if (found) return found;
  throw new AtollError(
    "invalid_argument",
    `cannot use outboundCidrAllowlist: invalid CIDR: ${cidr}`,
    "Write ranges as 203.0.113.0/24 or 2001:db8::/32, with no bits set beyond the prefix.",
  );
}

/**
 * nftables commands that take a slot from one policy to another, for one transaction; none when they are the same.
 * @param from what the gateway has now; undefined for nothing at all
 * @param to undefined for nothing at all
 */
export function changes(slot: string, from: Outbound | undefined, to: Outbound | undefined): string[] {
  const [had, has] = [from ? elements(slot, from) : [], to ? elements(slot, to) : []];
  const [old, wanted] = [new Set(had), new Set(has)];
  return [
    ...had.filter((element) => !wanted.has(element)).map((element) => `delete element inet atoll ${element}`),
    ...has.filter((element) => !old.has(element)).map((element) => `add element inet atoll ${element}`),
  ];
}

function elements(slot: string, { mode, intervals }: Outbound): string[] {
  return [
    ...(mode === "blocked" ? [] : [`joined { "${slot}" }`]),
    ...(mode === "open" ? [`open { "${slot}" }`] : []),
    ...intervals.map((each) => `allowed { "${slot}" . ${each} }`),
  ];
}

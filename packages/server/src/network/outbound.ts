/** A network policy as the gateway keeps it: pure. */
import type { NetworkPolicy } from "@atoll/protocol";
import type { ClientPolicy } from "../egress/control.ts";
import { AtollError } from "../error.ts";
import { interval, merged, type Range, range } from "./cidr.ts";
import { domainPattern } from "./domains.ts";
import type { HeaderRule } from "./header-rule.ts";

export interface Outbound {
  /** `listed`: only `intervals`. */
  readonly mode: "open" | "blocked" | "listed";
  /** IPv4, as nftables writes them, none overlapping another. Sandboxes have no IPv6, so its ranges match nothing. */
  readonly intervals: readonly string[];
  /** Names and the web, elsewhere than in the intervals, are the egress program's. */
  readonly isProxied: boolean;
  /** Number of the private network it is in, whose members it reaches in every mode. */
  readonly network?: number | undefined;
}

export const open: Outbound = { mode: "open", intervals: [], isProxied: false };

/** @throws AtollError invalid_argument that names the item */
export function outbound(policy: NetworkPolicy): Outbound {
  const { blockNetwork = false, outboundCidrAllowlist: cidrs, outboundDomainAllowlist: domains } = policy;
  const given = cidrs ? "outboundCidrAllowlist" : "outboundDomainAllowlist";
  if (blockNetwork && (cidrs ?? domains) !== undefined)
    throw new AtollError(
      "invalid_argument",
      `cannot have both blockNetwork and ${given}`,
      `Give one of them; an empty ${given} also lets nothing out.`,
    );
  if (blockNetwork) return { mode: "blocked", intervals: [], isProxied: false };
  if (cidrs === undefined && domains === undefined) return open;
  return { mode: "listed", intervals: intervalsOf(cidrs), isProxied: (domains ?? []).map(patternOf).length > 0 };
}

/**
 * What the egress program is to let out to; undefined when nothing goes through it. One that is open is told to it only if it knew of the sandbox
 * before.
 * @throws AtollError as `outbound`
 */
export function clientPolicy(policy: NetworkPolicy, rules: readonly HeaderRule[]): ClientPolicy | undefined {
  const { mode, isProxied, intervals } = outbound(policy);
  if (mode === "open") return { domains: [], intervals, rules, isOpen: true };
  return isProxied ? { domains: (policy.outboundDomainAllowlist ?? []).map(patternOf), intervals, rules } : undefined;
}

function intervalsOf(cidrs: readonly string[] = []): string[] {
  const ranges = merged(cidrs.map(rangeOf));
  return ranges.filter(({ family }) => family === 4).map(interval);
}

function patternOf(domain: string): string {
  const pattern = domainPattern(domain);
  if (pattern) return pattern;
  throw new AtollError(
    "invalid_argument",
    `cannot use outboundDomainAllowlist: invalid domain: ${domain}`,
    "Write names as api.example.com, or *.example.com for every name below example.com; addresses go into outboundCidrAllowlist.",
  );
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

function elements(slot: string, { mode, intervals, isProxied, network }: Outbound): string[] {
  return [
    ...(mode === "blocked" ? [] : [`joined { "${slot}" }`]),
    ...(mode === "open" ? [`open { "${slot}" }`] : []),
    ...(isProxied ? [`named { "${slot}" }`, `proxied { "${slot}" }`] : []),
    ...intervals.map((each) => `allowed { "${slot}" . ${each} }`),
    ...(network === undefined ? [] : [`network { "${slot}" : ${network} }`, `members { "${slot}" . ${network} }`]),
  ];
}

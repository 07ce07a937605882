/** Addresses that a name must not lead to: pure. */
import { BlockList } from "node:net";
import { forbiddenRanges } from "../network/rules.ts";

/** Of networks that are somebody's own (RFC 1918, RFC 6598): reached by name only if an allowlist of ranges has them too. */
const privateRanges = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"];

export class Forbidden {
  readonly #never: BlockList;
  readonly #private = listOf(privateRanges);

  constructor(subnet: string) {
    this.#never = listOf([...forbiddenRanges, subnet]);
  }

  /** The machine's own addresses are not in it: the machine refuses what comes from the gateway. */
  isForbidden(address: string, allowed: BlockList): boolean {
    return this.#never.check(address) || (this.#private.check(address) && !allowed.check(address));
  }
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    list.addSubnet(address, Number(bits));
  }
  return list;
}

/** @param intervals `first-last`, or an address alone */
export function listOfIntervals(intervals: readonly string[]): BlockList {
  const list = new BlockList();
  for (const interval of intervals) {
    const [first = "", last = first] = interval.split("-");
    list.addRange(first, last);
  }
  return list;
}

/** The sandboxes that the egress program serves, by the address that their packets come from: the gateway checks that it is theirs. */
import type { BlockList } from "node:net";
import { Domains } from "../network/domains.ts";
import type { HeaderRule } from "../network/header-rule.ts";
import type { ClientPolicy, Member } from "./control.ts";
import { listOfIntervals } from "./forbidden.ts";

/** A connection that is to end when it may not reach one of its names any more. */
export interface Passage {
  readonly names: ReadonlySet<string>;
  end(): void;
}

export interface Client {
  readonly domains: Domains;
  /** Private ranges that names may resolve into. */
  readonly ranges: BlockList;
  /** By name. */
  readonly rules: ReadonlyMap<string, HeaderRule>;
  /** Its policy has become open: new connections pass by, and what is open goes on. */
  readonly isOpen: boolean;
  readonly member: Member | undefined;
  readonly passages: Set<Passage>;
}

export class Clients {
  readonly #clients = new Map<string, Client>();

  get(address: string): Client | undefined {
    return this.#clients.get(address);
  }

  /**
   * Address of the member of that name; of two, for a moment while one is being removed, the later.
   * @param network its number
   */
  memberNamed(name: string, network: number): string | undefined {
    const found = [...this.#clients].findLast(([, { member }]) => member?.number === network && member.name === name);
    return found?.[0];
  }

  /** @param policy undefined when the address is nobody's any more */
  set(address: string, policy: ClientPolicy | undefined): void {
    const passages = this.#clients.get(address)?.passages ?? new Set<Passage>();
    if (policy === undefined) {
      this.#clients.delete(address);
      for (const passage of [...passages]) passage.end();
      return;
    }
    const { domains, intervals, isOpen = false, member } = policy;
    const rules = new Map(policy.rules.map((rule) => [rule.domain, rule]));
    const ranges = listOfIntervals(intervals);
    const client = { domains: new Domains(domains), ranges, rules, isOpen, member, passages };
    this.#clients.set(address, client);
    for (const passage of [...passages])
      if (![...passage.names].every((name) => isAllowed(client, name))) passage.end();
  }
}

/** @param name as hostName gives it */
export function isAllowed({ isOpen, domains }: Client, name: string): boolean {
  return isOpen || domains.patternFor(name) !== undefined;
}

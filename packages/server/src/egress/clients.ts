/** The sandboxes that the egress program serves, by the address that their packets come from: the gateway checks that it is theirs. */
import type { BlockList } from "node:net";
import { Domains } from "../network/domains.ts";
import type { ClientPolicy } from "./control.ts";
import { listOfIntervals } from "./forbidden.ts";

/** What is open for a client, and is to end when it may not reach the name any more. */
export interface Passage {
  /** Undefined before it is known. */
  readonly name: string | undefined;
  end(): void;
}

export interface Client {
  readonly domains: Domains;
  /** Private ranges that names may resolve into. */
  readonly ranges: BlockList;
  readonly passages: Set<Passage>;
}

export class Clients {
  readonly #clients = new Map<string, Client>();

  get(address: string | undefined): Client | undefined {
    return address === undefined ? undefined : this.#clients.get(address);
  }

  /** @param policy undefined when the address is nobody's any more */
  set(address: string, policy: ClientPolicy | undefined): void {
    const earlier = this.#clients.get(address);
    const passages = earlier?.passages ?? new Set<Passage>();
    if (policy === undefined) {
      this.#clients.delete(address);
      for (const passage of passages) passage.end();
      return;
    }
    const domains = new Domains(policy.domains);
    this.#clients.set(address, { domains, ranges: listOfIntervals(policy.intervals), passages });
    for (const passage of passages) {
      const isAllowed = passage.name !== undefined && domains.patternFor(passage.name) !== undefined;
      if (!isAllowed) passage.end();
    }
  }
}

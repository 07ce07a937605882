/** A sandbox as the gateway knows it: its plan, and who is inside. */
import { BlockList, isIPv6, type Server, type Socket } from "node:net";
import type { Plan } from "./gateway-messages.ts";

export class Entrance {
  readonly over = new AbortController();
  /** Servers of its unencrypted ports, by the sandbox's port. */
  readonly plain = new Map<number, Server>();
  readonly #clients = new Set<Socket>();
  readonly #changed: (entrance: Entrance) => void;
  #plan: Plan;
  #allowed: BlockList | undefined;

  constructor(plan: Plan, changed: (entrance: Entrance) => void) {
    this.#plan = plan;
    this.#allowed = listOf(plan.ranges);
    this.#changed = changed;
  }

  get plan(): Plan {
    return this.#plan;
  }

  set plan(plan: Plan) {
    this.#plan = plan;
    this.#allowed = listOf(plan.ranges);
  }

  get connections(): number {
    return this.#clients.size;
  }

  isAllowed({ remoteAddress }: Socket): boolean {
    if (!this.#allowed) return true;
    return remoteAddress !== undefined && this.#allowed.check(remoteAddress, isIPv6(remoteAddress) ? "ipv6" : "ipv4");
  }

  /** Counts it until it closes, which is when the sandbox is over at the latest. Does nothing to one that is counted. */
  admit(client: Socket): void {
    if (this.#clients.has(client) || client.destroyed) return;
    this.#clients.add(client);
    this.#changed(this);
    client.once("close", () => {
      this.#clients.delete(client);
      this.#changed(this);
    });
  }

  /** Ends the connections of all who are inside. */
  cut(): void {
    for (const client of this.#clients) client.destroy();
  }

  shut(): void {
    this.over.abort();
    for (const server of this.plain.values()) server.close();
    this.cut();
  }
}

function listOf(ranges: readonly string[] | undefined): BlockList | undefined {
  if (ranges === undefined) return undefined;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

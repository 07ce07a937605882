import type { NetworkLogEntry } from "@atoll/protocol";
import type { Traffic, TrafficSource } from "../network/traffic.ts";
import type { Store } from "../store/store.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** Destinations of one sandbox; further ones are counted together, so that no sandbox fills the database. */
const rowsKept = 1000;
const others = "(others)";

/** What sandboxes reached by name, and what they were refused. Kept as long as the sandbox's row. */
export class NetworkLog {
  readonly #store: Store;
  readonly #sandboxes: Sandboxes;
  readonly #source: TrafficSource;

  constructor(parts: { readonly store: Store; readonly sandboxes: Sandboxes; readonly source: TrafficSource }) {
    this.#store = parts.store;
    this.#sandboxes = parts.sandboxes;
    this.#source = parts.source;
    parts.source.onTraffic((address, traffic) => this.#add(address, traffic));
  }

  /** The latest first. @throws AtollError not_found */
  async of(sandboxId: string): Promise<NetworkLogEntry[]> {
    this.#sandboxes.row(sandboxId);
    await this.#source.settle();
    return this.#store.traffic.of(sandboxId).map(entryOf);
  }

  #add(address: string, traffic: readonly Traffic[]): void {
    const sandboxId = this.#sandboxes.idAt(address);
    if (sandboxId === undefined) return; // prepared ahead, and nobody's yet
    const { traffic: table, transaction } = this.#store;
    transaction(() => {
      const isFull = table.count(sandboxId) + traffic.length > rowsKept;
      for (const each of traffic) table.add({ sandboxId, ...(isFull ? together(each) : each) });
    });
  }
}

function together({ address: _address, refusal, secret, ...counted }: Traffic): Traffic {
  const reason = refusal === undefined ? {} : { refusal: "several reasons" };
  return { ...counted, ...reason, ...(secret !== undefined && { secret }), name: others, port: 0 };
}

function entryOf(traffic: Traffic): NetworkLogEntry {
  const { name, port, protocol, refusal, address, secret, count, sent, received, firstAt, lastAt } = traffic;
  return {
    destination: name,
    port,
    protocol,
    verdict: refusal === undefined ? "allowed" : "refused",
    ...(refusal !== undefined && { reason: refusal }),
    ...(address !== undefined && { address }),
    ...(secret !== undefined && { secret }),
    count,
    sentBytes: sent,
    receivedBytes: received,
    firstAt: new Date(firstAt).toISOString(),
    lastAt: new Date(lastAt).toISOString(),
  };
}

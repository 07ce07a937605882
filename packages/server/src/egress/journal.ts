/** What each sandbox reached by name and what it was refused: counted by destination, so that it stays small however much there is. */
import type { Socket } from "node:net";
import type { Destination, Traffic } from "../network/traffic.ts";

interface Row {
  destination: Destination;
  count: number;
  sent: number;
  received: number;
  firstAt: number;
  lastAt: number;
}

interface Meter {
  readonly client: string;
  readonly destination: Destination;
  readonly socket: Socket;
  sent: number;
  received: number;
}

/** Destinations of one sandbox in one report; further ones are told together. */
const rowsAtOnce = 200;
const longestName = 255;
const others = "(others)";

export class Journal {
  #rows = new Map<string, Map<string, Row>>();
  readonly #meters = new Set<Meter>();

  /** A refusal, or the use of a secret. */
  happened(client: string, destination: Destination): void {
    this.#note(client, destination).count += 1;
  }

  /** Counts what the connection carries, from now until it is closed. */
  connected(client: string, destination: Destination, socket: Socket): void {
    this.#note(client, destination).count += 1;
    const meter: Meter = { client, destination, socket, sent: 0, received: 0 };
    this.#meters.add(meter);
    socket.once("close", () => {
      this.#read(meter);
      this.#meters.delete(meter);
    });
  }

  /** By client; what was taken is not told again. */
  take(): Map<string, Traffic[]> {
    for (const meter of this.#meters) this.#read(meter);
    const taken = this.#rows;
    this.#rows = new Map();
    return new Map(
      [...taken].map(([client, rows]) => [
        client,
        [...rows.values()].map(({ destination, ...counted }) => ({ ...destination, ...counted })),
      ]),
    );
  }

  #read(meter: Meter): void {
    const [sent, received] = [meter.socket.bytesWritten, meter.socket.bytesRead];
    if (sent === meter.sent && received === meter.received) return;
    const row = this.#note(meter.client, meter.destination);
    row.sent += sent - meter.sent;
    row.received += received - meter.received;
    [meter.sent, meter.received] = [sent, received];
  }

  #note(client: string, given: Destination): Row {
    const rows = this.#rows.get(client) ?? new Map<string, Row>();
    this.#rows.set(client, rows);
    const name = rows.size < rowsAtOnce ? given.name.slice(0, longestName) : others;
    const key = JSON.stringify([name, given.port, given.protocol, given.refusal, given.secret]);
    const now = Date.now();
    const row = rows.get(key) ?? {
      destination: { ...given, name },
      count: 0,
      sent: 0,
      received: 0,
      firstAt: now,
      lastAt: now,
    };
    rows.set(key, row);
    row.lastAt = now;
    if (given.address !== undefined) row.destination = { ...given, name };
    return row;
  }
}

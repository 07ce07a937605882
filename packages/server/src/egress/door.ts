/** The one place where it is decided whether a sandbox is let to a name, and where connections to names are made. */
import { connect, type LookupFunction, type Socket } from "node:net";
import { hostName } from "../network/domains.ts";
import type { HeaderRule } from "../network/header-rule.ts";
import { egressPorts } from "../network/rules.ts";
import { type Client, type Clients, isAllowed } from "./clients.ts";
import type { Forbidden } from "./forbidden.ts";
import type { Journal } from "./journal.ts";
import type { Lookup } from "./lookup.ts";
import { Refused, refusals } from "./refused.ts";

/** Whom a sandbox asks for. */
export interface Target {
  /** As hostName gives it. */
  readonly name: string;
  readonly port: number;
}

const connectLimitMs = 15_000;
/** For each address of a name but the last. */
const attemptMs = 3000;

export class Door {
  readonly #clients: Clients;
  readonly #lookup: Lookup;
  readonly #forbidden: Forbidden;
  readonly #journal: Journal;

  constructor(parts: {
    readonly clients: Clients;
    readonly lookup: Lookup;
    readonly forbidden: Forbidden;
    readonly journal: Journal;
  }) {
    this.#clients = parts.clients;
    this.#lookup = parts.lookup;
    this.#forbidden = parts.forbidden;
    this.#journal = parts.journal;
  }

  /**
   * @param text the name as the sandbox has written it
   * @throws Refused when it may not be reached now
   */
  target(address: string, text: string, port: number): Target {
    const name = hostName(text);
    if (name === undefined) throw this.#noted(address, text, port, refusals.noName(text));
    this.#client(address, { name, port });
    return { name, port };
  }

  /**
   * The addresses that a name has and that it may have. They are asked for here, whatever address the sandbox itself believed in.
   * @throws Refused
   */
  async addresses(address: string, target: Target): Promise<readonly string[]> {
    const { name, port } = target;
    const found = await this.#lookup(name);
    const client = this.#client(address, target);
    if (found.state === "failed") throw this.#noted(address, name, port, refusals.unresolved(name));
    if (!("addresses" in found)) throw this.#noted(address, name, port, refusals.unknown(name));
    const usable = found.addresses.filter((each) => !this.#forbidden.isForbidden(each, client.ranges));
    if (usable.length === 0) throw this.#noted(address, name, port, refusals.forbidden(name));
    return usable;
  }

  /** @throws Refused */
  async connect(address: string, target: Target): Promise<Socket> {
    const addresses = await this.addresses(address, target);
    const { name, port } = target;
    try {
      const socket = await connected(target, addresses);
      const leadsTo = { name, port, protocol: "tcp", address: socket.remoteAddress ?? "" } as const;
      this.#journal.connected(address, leadsTo, socket);
      this.#client(address, target);
      return socket;
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw this.#noted(address, name, port, refusals.unreachable(name, port));
    }
  }

  /** The secret that goes into requests to a target; only where TLS keeps it from everybody else. */
  ruleFor(address: string, { name, port }: Target): HeaderRule | undefined {
    return port === egressPorts.tls ? this.#clients.get(address)?.rules.get(name) : undefined;
  }

  secretUsed(address: string, { name, port }: Target, secret: string): void {
    this.#journal.happened(address, { name, port, protocol: "tcp", secret });
  }

  /** Notes what was refused before it was known whom the sandbox asks for. */
  refuse(address: string, port: number, refused: Refused): Refused {
    return this.#noted(address, "", port, refused);
  }

  #client(address: string, { name, port }: Target): Client {
    const client = this.#clients.get(address);
    if (client && isAllowed(client, name)) return client;
    throw this.#noted(address, name, port, refusals.notAllowed(name));
  }

  #noted(address: string, name: string, port: number, refused: Refused): Refused {
    this.#journal.happened(address, { name, port, protocol: "tcp", refusal: refused.message });
    return refused;
  }
}

function connected({ name, port }: Target, addresses: readonly string[]): Promise<Socket> {
  const lookup: LookupFunction = (_name, { all }, done) => {
    if (all)
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      );
    else done(null, addresses[0] ?? "", 4);
  };
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: name,
      port,
      lookup,
      autoSelectFamilyAttemptTimeout: attemptMs,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
    });
    const limit = setTimeout(() => socket.destroy(new Error("cannot connect in time")), connectLimitMs);
    socket.once("close", () => {
      clearTimeout(limit);
      reject(new Error("cannot connect"));
    });
    socket.on("error", () => socket.destroy());
    socket.once("connect", () => {
      clearTimeout(limit);
      resolve(socket);
    });
  });
}

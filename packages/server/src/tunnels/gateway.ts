/** Where tunnels begin: one TLS port for all of them, told apart by server name, and a plain port for each unencrypted one. */
import {
  type AddressInfo,
  type BlockList,
  createServer as createTcpServer,
  isIPv6,
  type Server,
  type Socket,
} from "node:net";
import { createServer, type SecureContext, type TLSSocket } from "node:tls";
import type { Logger } from "pino";
import { type ConnectGrant, openGrant } from "./connect-token.ts";
import { serveHttp1 } from "./door-http1.ts";
import { serveHttp2 } from "./door-http2.ts";
import { firstBytes, pass, reach, type Target } from "./passage.ts";
import { isHttp, type Refusal, refuse } from "./refusal.ts";
import type { ServerNames } from "./server-names.ts";
import type { TunnelConfig } from "./tunnel-config.ts";

/** A sandbox as the gateway knows it. */
export interface Entrance {
  readonly sandboxId: string;
  readonly address: string;
  /** Ports whose services speak HTTP/2. */
  readonly h2Ports: readonly number[];
  readonly allowed: BlockList | undefined;
  readonly isBusy: (connections: number) => void;
  readonly over: AbortSignal;
  connections: number;
}

interface Way extends Target {
  readonly entrance: Entrance;
  readonly isH2: boolean;
  readonly needsToken: boolean;
}

const firstBytesMs = 1000;
const handshakeMs = 10_000;

export class Gateway {
  readonly #options: {
    readonly config: TunnelConfig;
    readonly names: ServerNames;
    readonly key: Buffer;
    readonly log: Logger;
  };
  readonly #tunnels = new Map<string, Omit<Way, "needsToken">>();
  readonly #doors = new Map<string, Entrance>();
  readonly #sockets = new Set<Socket>();
  readonly #plain = new Map<string, Map<number, Server>>();
  readonly #server: Server;
  /** For clients that name no server of ours. */
  readonly #unnamed: SecureContext;

  constructor(options: {
    readonly config: TunnelConfig;
    readonly names: ServerNames;
    readonly key: Buffer;
    readonly log: Logger;
  }) {
    this.#options = options;
    const { domain, maxConnections } = options.config;
    this.#server = createServer(
      {
        allowHalfOpen: true,
        handshakeTimeout: handshakeMs,
        minVersion: "TLSv1.2",
        noDelay: true,
        keepAlive: true,
        SNICallback: (name, done) => this.#chooseContext(name, done),
        ALPNCallback: ({ servername, protocols }) => this.#protocol(servername, protocols),
      },
      (socket) => void this.#accept(socket),
    );
    const unnamed = options.names.contextFor(domain);
    Object.assign(this.#server, { maxConnections });
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
    this.#unnamed = unnamed;
  }

  get port(): number {
    return portOf(this.#server);
  }

  listen(port: number): Promise<void> {
    return listening(this.#server, this.#options.config.host, port);
  }

  /** Does nothing to one that is there. */
  addTunnel(label: string, entrance: Entrance, port: number, isH2: boolean): void {
    if (this.#tunnels.has(label)) return;
    this.#tunnels.set(label, { entrance, address: entrance.address, port, isH2 });
    entrance.over.addEventListener("abort", () => this.#tunnels.delete(label), { once: true });
  }

  /** Does nothing to one that is there. */
  addDoor(label: string, entrance: Entrance): void {
    if (this.#doors.has(label)) return;
    this.#doors.set(label, entrance);
    entrance.over.addEventListener("abort", () => this.#doors.delete(label), { once: true });
  }

  /**
   * @param wanted the machine's port, or 0 for any
   * @returns the machine's port
   */
  async openPlain(entrance: Entrance, port: number, wanted: number): Promise<number> {
    const opened = this.#plain.get(entrance.sandboxId) ?? new Map<number, Server>();
    const present = opened.get(port);
    if (present) return portOf(present);
    const way = { entrance, address: entrance.address, port, isH2: false, needsToken: false };
    const server = createTcpServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
      this.#keep(socket);
      if (isAllowed(entrance, socket)) void this.#carry(socket, way, false);
      else socket.destroy();
    });
    await listening(server, this.#options.config.host, wanted);
    this.#plain.set(entrance.sandboxId, opened.set(port, server));
    entrance.over.addEventListener("abort", () => this.#closePlain(entrance.sandboxId), { once: true });
    return portOf(server);
  }

  async close(): Promise<void> {
    for (const id of this.#plain.keys()) this.#closePlain(id);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #closePlain(sandboxId: string): void {
    for (const server of this.#plain.get(sandboxId)?.values() ?? []) server.close();
    this.#plain.delete(sandboxId);
  }

  #keep(socket: Socket): void {
    if (this.#sockets.size >= this.#options.config.maxConnections) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }

  #chooseContext(
    name: string,
    done: (error: Error | null, context?: ReturnType<ServerNames["contextFor"]>) => void,
  ): void {
    const { config, names } = this.#options;
    const label = labelIn(name, config.domain);
    if (label === undefined) done(null, this.#unnamed);
    else done(null, names.contextFor(name.toLowerCase()));
  }

  /** Only h2 ports speak HTTP/2; another client's protocol is taken as it is, since its bytes only pass through. */
  #protocol(servername: string, protocols: readonly string[]): string | undefined {
    const isH2 = this.#wayTo(servername)?.isH2 === true;
    if (isH2 && protocols.includes("h2")) return "h2";
    return protocols.includes("http/1.1") ? "http/1.1" : protocols.find((protocol) => protocol !== "h2");
  }

  #wayTo(servername: string): Way | undefined {
    const label = labelIn(servername, this.#options.config.domain);
    const tunnel = label === undefined ? undefined : this.#tunnels.get(label);
    if (tunnel) return { ...tunnel, needsToken: false };
    const [door = "", port] = (label ?? "").split("-");
    const entrance = this.#doors.get(door);
    if (!entrance || port === undefined) return undefined;
    const isH2 = entrance.h2Ports.includes(Number(port));
    return { entrance, address: entrance.address, port: Number(port), isH2, needsToken: true };
  }

  async #accept(client: TLSSocket): Promise<void> {
    client.on("error", () => client.destroy());
    // The types say nothing of a name that the client did not send.
    const servername = String((client as { servername?: unknown }).servername || "");
    const way = this.#wayTo(servername);
    if (!way) return refuse(client, unknown);
    if (!isAllowed(way.entrance, client)) return refuse(client, notAllowed(client.remoteAddress ?? ""));
    if (!way.needsToken) return this.#carry(client, way, true);
    count(way.entrance, client);
    const serve = client.alpnProtocol === "h2" ? serveHttp2 : serveHttp1;
    serve(client, {
      target: way,
      signal: way.entrance.over,
      check: (token) => matching(openGrant(this.#options.key, token, Date.now()), way),
    });
  }

  async #carry(client: Socket, way: Way, isEncrypted: boolean): Promise<void> {
    count(way.entrance, client);
    const signal = way.entrance.over;
    try {
      pass(client, await reach(way, false, signal));
    } catch {
      const first = await firstBytes(client, firstBytesMs);
      const speaksHttp = first !== undefined && isHttp(first);
      if (!speaksHttp) return void client.end();
      const service = await reach(way, true, signal).catch(() => undefined);
      if (service) pass(client, service);
      else await refuse(client, nothingListens(way.port, isEncrypted));
    }
  }
}

function count(entrance: Entrance, client: Socket): void {
  entrance.connections += 1;
  entrance.isBusy(entrance.connections);
  const leave = () => client.destroy();
  entrance.over.addEventListener("abort", leave, { once: true });
  client.once("close", () => {
    entrance.over.removeEventListener("abort", leave);
    entrance.connections -= 1;
    entrance.isBusy(entrance.connections);
  });
}

function matching(grant: ConnectGrant | undefined, way: Way): ConnectGrant | undefined {
  return grant?.sandboxId === way.entrance.sandboxId && grant.port === way.port ? grant : undefined;
}

function labelIn(servername: string, domain: string): string | undefined {
  const name = servername.toLowerCase();
  if (!name.endsWith(`.${domain}`)) return undefined;
  const label = name.slice(0, -domain.length - 1);
  return /^[a-z2-7]{26}(-\d{1,5})?$/.test(label) ? label : undefined;
}

function isAllowed({ allowed }: Entrance, { remoteAddress }: Socket): boolean {
  if (!allowed) return true;
  return remoteAddress !== undefined && allowed.check(remoteAddress, isIPv6(remoteAddress) ? "ipv6" : "ipv4");
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

const unknown: Refusal = {
  status: 404,
  message: "cannot find this tunnel",
  hint: "Its sandbox may have ended. Ask for its present address with sandbox.tunnels().",
};

function notAllowed(address: string): Refusal {
  const hint = "Add it to the sandbox's inboundCidrAllowlist.";
  return { status: 403, message: `cannot let ${address} into this sandbox`, hint };
}

function nothingListens(port: number, isEncrypted: boolean): Refusal {
  const hint = isEncrypted
    ? "This page tries again by itself; the service must listen on 0.0.0.0."
    : "Try again in a moment.";
  return {
    status: 502,
    message: `cannot reach port ${port}: nothing listens on it in the sandbox`,
    hint,
    isPassing: true,
  };
}

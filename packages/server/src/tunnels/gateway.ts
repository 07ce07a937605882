/** Where tunnels begin: one TLS port for all of them, told apart by server name, and a plain port for each unencrypted one. */
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer, type SecureContext, type TLSSocket } from "node:tls";
import { type ConnectGrant, openGrant } from "./connect-token.ts";
import { serveHttp1 } from "./door-http1.ts";
import { serveHttp2 } from "./door-http2.ts";
import { Entrance } from "./entrance.ts";
import type { Figures, Plan, RefusalReason } from "./gateway-messages.ts";
import { firstBytes, pass, reach } from "./passage.ts";
import { isHttp, type Refusal, refuse } from "./refusal.ts";
import { blocked, full, notAllowed, nothingListens, unknown } from "./refusals.ts";
import type { ServerNames } from "./server-names.ts";
import { Traffic } from "./traffic.ts";
import type { TunnelConfig } from "./tunnel-config.ts";

interface Way {
  readonly entrance: Entrance;
  readonly address: string;
  readonly port: number;
  readonly isH2: boolean;
  readonly needsToken: boolean;
}

export interface GatewayOptions {
  readonly config: TunnelConfig;
  readonly names: ServerNames;
  /** Opens connect tokens. */
  readonly key: Buffer;
  /** Told when a connection of a sandbox has come or gone. */
  readonly changed: (entrance: Entrance) => void;
}

const firstBytesMs = 1000;
const handshakeMs = 10_000;
/** How long a client may take to show a connect token. */
const strangerMs = 30_000;
/** Connections beyond the limit that are still told so. */
const spare = 64;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #entrances = new Map<string, Entrance>();
  readonly #tunnels = new Map<string, Omit<Way, "address" | "needsToken">>();
  readonly #doors = new Map<string, Entrance>();
  readonly #traffic = new Traffic();
  readonly #server: Server;
  /** For clients that name no server of ours. */
  readonly #unnamed: SecureContext;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#unnamed = options.names.contextFor(options.config.domain);
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
      (socket) => this.#accept(socket),
    );
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
    this.#server.on("tlsClientError", (_error, socket) => {
      this.#traffic.refused("handshake");
      socket.destroy();
    });
  }

  /** @returns the port */
  async listen(port: number): Promise<number> {
    await listening(this.#server, this.#options.config.host, port);
    return portOf(this.#server);
  }

  /** Takes the place of an earlier plan for the sandbox; connections stay unless it is blocked. */
  open(plan: Plan): void {
    const known = this.#entrances.get(plan.sandboxId);
    if (known) known.plan = plan;
    if (plan.isBlocked) known?.cut();
    const entrance = known ?? new Entrance(plan, this.#options.changed);
    this.#entrances.set(plan.sandboxId, entrance);
    this.#doors.set(plan.door, entrance);
    for (const { label, port } of plan.tunnels)
      this.#tunnels.set(label, { entrance, port, isH2: plan.h2Ports.includes(port) });
  }

  /**
   * @param wanted the machine's port, or 0 for any
   * @returns the machine's port
   */
  async openPlain(sandboxId: string, port: number, wanted: number): Promise<number> {
    const entrance = this.#entrances.get(sandboxId);
    if (!entrance) throw new Error("cannot open a port of a sandbox that has no plan");
    const present = entrance.plain.get(port);
    if (present) return portOf(present);
    const way = { entrance, address: entrance.plan.address, port, isH2: false, needsToken: false };
    const server = createTcpServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
      if (!this.#keep(socket)) return;
      if (entrance.plan.isBlocked || !entrance.isAllowed(socket)) {
        this.#traffic.refused(entrance.plan.isBlocked ? "blocked" : "not_allowed");
        socket.destroy();
      } else if (this.#hasRoom(entrance, socket)) void this.#carry(socket, way, false);
    });
    await listening(server, this.#options.config.host, wanted);
    // The sandbox may have ended meanwhile.
    if (entrance.over.signal.aborted) server.close();
    else entrance.plain.set(port, server);
    return portOf(server);
  }

  shut(sandboxId: string): void {
    const entrance = this.#entrances.get(sandboxId);
    if (!entrance) return;
    this.#entrances.delete(sandboxId);
    this.#doors.delete(entrance.plan.door);
    for (const { label } of entrance.plan.tunnels) this.#tunnels.delete(label);
    entrance.shut();
  }

  figures(): Figures {
    return this.#traffic.figures();
  }

  async close(): Promise<void> {
    for (const id of this.#entrances.keys()) this.shut(id);
    this.#traffic.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @returns whether it is not one too many by far */
  #keep(socket: Socket): boolean {
    socket.on("error", () => socket.destroy());
    if (this.#traffic.open < this.#options.config.maxConnections + spare) {
      this.#traffic.follow(socket);
      return true;
    }
    this.#traffic.refused("limit");
    socket.destroy();
    return false;
  }

  #chooseContext(name: string, done: (error: Error | null, context?: SecureContext) => void): void {
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
    if (tunnel) return { ...tunnel, address: tunnel.entrance.plan.address, needsToken: false };
    const [door = "", port] = (label ?? "").split("-");
    const entrance = this.#doors.get(door);
    if (!entrance || port === undefined) return undefined;
    const { address, h2Ports } = entrance.plan;
    return { entrance, address, port: Number(port), isH2: h2Ports.includes(Number(port)), needsToken: true };
  }

  #accept(client: TLSSocket): void {
    client.on("error", () => client.destroy());
    // The types say nothing of a name that the client did not send.
    const way = this.#wayTo(String((client as { servername?: unknown }).servername || ""));
    if (!way) return void this.#refuse(client, "unknown", unknown);
    const { entrance } = way;
    if (entrance.plan.isBlocked) return void this.#refuse(client, "blocked", blocked);
    if (!entrance.isAllowed(client))
      return void this.#refuse(client, "not_allowed", notAllowed(client.remoteAddress ?? ""));
    if (!this.#hasRoom(entrance, client)) return;
    if (way.needsToken) this.#receive(client, way);
    else void this.#carry(client, way, true);
  }

  /** Whoever shows no token is not counted, so that strangers keep no sandbox from being idle, and does not stay. */
  #receive(client: TLSSocket, way: Way): void {
    const timer = setTimeout(() => client.destroy(), strangerMs);
    client.once("close", () => clearTimeout(timer));
    const check = (token: string) => {
      const grant = matching(openGrant(this.#options.key, token, Date.now()), way);
      if (!grant) return undefined;
      clearTimeout(timer);
      way.entrance.admit(client);
      return grant;
    };
    const serve = client.alpnProtocol === "h2" ? serveHttp2 : serveHttp1;
    serve(client, { target: way, signal: way.entrance.over.signal, check });
  }

  #hasRoom(entrance: Entrance, client: Socket): boolean {
    const { maxConnections, maxSandboxConnections } = this.#options.config;
    if (this.#traffic.open > maxConnections) this.#refuse(client, "limit", full("this server", maxConnections));
    else if (entrance.connections >= maxSandboxConnections)
      this.#refuse(client, "limit", full("this sandbox", maxSandboxConnections));
    else return true;
    return false;
  }

  #refuse(client: Socket, reason: RefusalReason, refusal: Refusal): void {
    this.#traffic.refused(reason);
    void refuse(client, refusal);
  }

  async #carry(client: Socket, way: Way, isEncrypted: boolean): Promise<void> {
    way.entrance.admit(client);
    const { signal } = way.entrance.over;
    try {
      pass(client, await reach(way, false, signal));
    } catch {
      const first = await firstBytes(client, firstBytesMs);
      const speaksHttp = first !== undefined && isHttp(first);
      const service = speaksHttp ? await reach(way, true, signal).catch(() => undefined) : undefined;
      if (service) pass(client, service);
      else this.#refuse(client, "nothing_listens", nothingListens(way.port, isEncrypted));
    }
  }
}

function matching(grant: ConnectGrant | undefined, way: Way): ConnectGrant | undefined {
  return grant?.sandboxId === way.entrance.plan.sandboxId && grant.port === way.port ? grant : undefined;
}

function labelIn(servername: string, domain: string): string | undefined {
  const name = servername.toLowerCase();
  if (!name.endsWith(`.${domain}`)) return undefined;
  const label = name.slice(0, -domain.length - 1);
  return /^[a-z2-7]{26}(-\d{1,5})?$/.test(label) ? label : undefined;
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

/** The tunnels of all sandboxes of this server. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ConnectToken, ConnectTokenCreate, Tunnel, TunnelAuthority } from "@atoll/protocol";
import type { Logger } from "pino";
import { Authority } from "../certificates/authority.ts";
import { within } from "../change.ts";
import { AtollError, messageOf } from "../error.ts";
import type { LiveSandbox } from "../sandboxes/live-sandbox.ts";
import { reach } from "../sandboxes/reach.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Tunnels as CoreTunnels } from "../sandboxes/tunnels.ts";
import { writeAtomically } from "../state-directory.ts";
import { sealGrant } from "./connect-token.ts";
import { GatewayLink } from "./gateway-link.ts";
import type { Figures, GatewayStart, Plan } from "./gateway-messages.ts";
import { labelOf } from "./labels.ts";
import type { TunnelConfig } from "./tunnel-config.ts";

const normalTtlMs = 3_600_000;
const normalPort = 8080;
/** A connection that is open is noted this often, so that a restart does not find its sandbox idle. */
const noteMs = 1000;
const reopenMs = 2000;

export interface TunnelsOptions {
  readonly config: TunnelConfig;
  readonly stateDirectory: string;
  readonly key: Buffer;
  readonly log: Logger;
}

export class Tunnels implements CoreTunnels {
  readonly #options: TunnelsOptions;
  readonly #reached = new Map<string, LiveSandbox>();
  readonly #busy = new Set<LiveSandbox>();
  readonly #notes: NodeJS.Timeout;
  #gateway: Promise<GatewayLink> | undefined;
  #authority: Authority | undefined;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#notes = setInterval(() => this.#note(), noteMs).unref();
    // Its port and its tokens were given out by an earlier server.
    if (existsSync(this.#portFile))
      this.#open().catch((error: unknown) => this.#options.log.error({ err: error }, "cannot open the tunnels"));
  }

  async open(live: LiveSandbox, signal: AbortSignal): Promise<void> {
    const { spec, holder } = live.row;
    if (holder?.address === undefined) return;
    const ports = portsOf(live);
    if (ports.length === 0 && this.#gateway === undefined) return;
    signal.throwIfAborted();
    const gateway = await this.#open();
    await this.#openIn(gateway, live, holder.address);
    for (const port of spec.unencryptedPorts ?? []) {
      const known = live.row.hostPorts[port];
      live.row.hostPorts = { ...live.row.hostPorts, [port]: await gateway.openPlain(live.id, port, known ?? 0) };
    }
  }

  async reopen(live: LiveSandbox, signal: AbortSignal): Promise<void> {
    try {
      await this.open(live, signal);
    } catch (error) {
      if (signal.aborted || live.over.signal.aborted) return;
      this.#options.log.error({ sandboxId: live.id, err: error }, "cannot open the tunnels of a sandbox again yet");
      setTimeout(() => void this.reopen(live, signal), reopenMs).unref();
    }
  }

  async obeyPolicy(live: LiveSandbox): Promise<void> {
    const { address } = live.row.holder ?? {};
    if (address !== undefined && this.#reached.has(live.id)) await this.#openIn(await this.#open(), live, address);
  }

  /** @throws AtollError not_found, sandbox_finished, timeout */
  async list(sandboxes: Sandboxes, id: string, timeoutMs: number, signal: AbortSignal): Promise<Tunnel[]> {
    const waiting = sandboxes.live(id);
    const isOpen = () => waiting?.row.state === "running" || waiting?.isFinished === true;
    if (waiting && !(await within(timeoutMs, waiting.changed, isOpen, signal)))
      throw new AtollError("timeout", `cannot open the tunnels of ${id} in ${timeoutMs} ms`);
    const live = await reach(sandboxes, id, "open tunnels", signal);
    const ports = portsOf(live);
    if (ports.length === 0) return [];
    const { port } = await this.#open();
    return ports.map((containerPort) => this.#view(live, containerPort, port));
  }

  /** @throws AtollError not_found, sandbox_finished, invalid_argument for a sandbox without a network */
  async createConnectToken(
    sandboxes: Sandboxes,
    id: string,
    request: ConnectTokenCreate,
    signal: AbortSignal,
  ): Promise<ConnectToken> {
    const live = await reach(sandboxes, id, "connect", signal);
    const address = live.row.holder?.address;
    if (address === undefined || live.row.networkPolicy.blockNetwork)
      throw new AtollError(
        "invalid_argument",
        `cannot connect to ${id}: blockNetwork is set`,
        "Create it with a network.",
      );
    const gateway = await this.#open();
    // One that began before the gateway was needed has no door yet.
    if (!this.#reached.has(id)) await this.#openIn(gateway, live, address);
    const port = request.port ?? normalPort;
    const expiresAt = Date.now() + (request.ttlMs ?? normalTtlMs);
    const grant = { sandboxId: id, port, metadata: request.userMetadata, expiresAt };
    const host = `${this.#label(id, undefined)}-${port}.${this.#options.config.domain}`;
    return {
      url: urlOf(host, gateway.port),
      token: sealGrant(this.#options.key, grant),
      expiresAt: new Date(expiresAt).toISOString(),
    };
  }

  authority(): TunnelAuthority {
    const { domain, certificate } = this.#options.config;
    return certificate ? { domain } : { domain, certificate: this.#localAuthority().certificate };
  }

  /** Undefined while there is no gateway, or one that is just starting again: the log says why. */
  async figures(): Promise<Figures | undefined> {
    return this.#gateway?.then((gateway) => gateway.figures()).catch(() => undefined);
  }

  async close(): Promise<void> {
    clearInterval(this.#notes);
    await this.#gateway?.then((gateway) => gateway.close()).catch(() => undefined);
  }

  #view(live: LiveSandbox, containerPort: number, port: number): Tunnel {
    const { domain, host: listenHost } = this.#options.config;
    const host = `${this.#label(live.id, containerPort)}.${domain}`;
    const unencryptedPort = live.row.hostPorts[containerPort];
    const unencryptedHost = domain === "localhost" ? listenHost : domain;
    return {
      containerPort,
      url: urlOf(host, port),
      host,
      port,
      ...(unencryptedPort !== undefined && { unencryptedHost, unencryptedPort }),
    };
  }

  #label(id: string, port: number | undefined): string {
    return labelOf(this.#options.key, id, port);
  }

  async #openIn(gateway: GatewayLink, live: LiveSandbox, address: string): Promise<void> {
    if (!this.#reached.has(live.id)) {
      this.#reached.set(live.id, live);
      live.over.signal.addEventListener("abort", () => this.#shut(gateway, live), { once: true });
    }
    await gateway.open(this.#plan(live, address));
    // What ended while it was opened is shut once more.
    if (live.over.signal.aborted) this.#shut(gateway, live);
  }

  #shut(gateway: GatewayLink, live: LiveSandbox): void {
    this.#reached.delete(live.id);
    this.#busy.delete(live);
    gateway.shut(live.id);
  }

  #plan(live: LiveSandbox, address: string): Plan {
    const { spec } = live.row;
    return {
      sandboxId: live.id,
      address,
      ranges: spec.inboundCidrAllowlist,
      isBlocked: live.row.networkPolicy.blockNetwork ?? false,
      tunnels: portsOf(live).map((port) => ({ label: this.#label(live.id, port), port })),
      h2Ports: spec.h2Ports ?? [],
      door: this.#label(live.id, undefined),
    };
  }

  #count(sandboxId: string, connections: number): void {
    const live = this.#reached.get(sandboxId);
    if (!live) return;
    live.connections = connections;
    if (connections > 0) this.#busy.add(live);
    else this.#busy.delete(live);
    live.noteActivity();
  }

  #note(): void {
    for (const live of this.#busy) live.noteActivity();
  }

  get #portFile(): string {
    return join(this.#options.stateDirectory, "tunnels.json");
  }

  #open(): Promise<GatewayLink> {
    this.#gateway ??= this.#make().catch((error: unknown) => {
      this.#gateway = undefined;
      throw new AtollError(
        "unavailable",
        `cannot open tunnels: ${messageOf(error)}`,
        "Set ATOLL_TUNNEL_LISTEN to a free address.",
      );
    });
    return this.#gateway;
  }

  async #make(): Promise<GatewayLink> {
    const { config, log } = this.#options;
    const start = this.#start();
    const gateway = new GatewayLink({
      startThread: () => new Worker(new URL("gateway-thread.ts", import.meta.url), { workerData: start }),
      onConnections: (sandboxId, count) => this.#count(sandboxId, count),
      onWarning: (warning, reason) => log.warn({ reason }, warning),
    });
    try {
      const kept =
        config.port === 0 && existsSync(this.#portFile) ? JSON.parse(readFileSync(this.#portFile, "utf8")).port : 0;
      await gateway.listen(config.port || kept);
    } catch (error) {
      await gateway.close();
      throw error;
    }
    writeAtomically(this.#portFile, `${JSON.stringify({ port: gateway.port })}\n`, 0o600);
    return gateway;
  }

  #start(): GatewayStart {
    const { config, key } = this.#options;
    // The thread finds it made.
    if (!config.certificate) this.#localAuthority();
    return { config, key, authority: this.#authorityPlace };
  }

  #localAuthority(): Authority {
    const { directory, options } = this.#authorityPlace;
    this.#authority ??= Authority.in(directory, options);
    return this.#authority;
  }

  get #authorityPlace(): GatewayStart["authority"] {
    const { stateDirectory, config } = this.#options;
    return {
      directory: join(stateDirectory, "certificates", config.domain),
      options: { commonName: `Atoll on this machine, for ${config.domain}`, permitted: [config.domain] },
    };
  }
}

function portsOf({ row: { spec } }: LiveSandbox): number[] {
  return [spec.encryptedPorts, spec.h2Ports, spec.unencryptedPorts].flatMap((ports) => ports ?? []);
}

function urlOf(host: string, port: number): string {
  return port === 443 ? `https://${host}` : `https://${host}:${port}`;
}

/** The daemon's side of the egress program: starts it when a sandbox first needs it, tells it of policies, and starts it again should it end. */
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { ClientPolicy, FromEgress, Settings, ToEgress } from "../egress/control.ts";
import { receive, send } from "../egress/control.ts";
import { AtollError } from "../error.ts";
import { abortable } from "../launcher/abortable.ts";
import type { Launcher, WatchedProcess } from "../launcher/client.ts";
import type { TrafficSource } from "./traffic.ts";

export interface EgressOptions {
  readonly launcher: Launcher;
  readonly socketPath: string;
  /** Where the program writes what it dies of. */
  readonly logFile: string;
  readonly settings: Settings;
  readonly onError: (error: unknown) => void;
}

const program = fileURLToPath(new URL("../egress/main.ts", import.meta.url));
const startLimitMs = 60_000;
const answerLimitMs = 20_000;
const restartMs = 500;
const sigkill = 9;

/** The program while it is connected. */
interface Link {
  readonly child: WatchedProcess;
  readonly socket: Socket;
  readonly waiting: Map<number, PromiseWithResolvers<void>>;
}

export class Egress implements TrafficSource {
  readonly #options: EgressOptions;
  readonly #policies = new Map<string, ClientPolicy>();
  #server: Server | undefined;
  #link: Promise<Link> | undefined;
  #requests = 0;
  #listener: Parameters<TrafficSource["onTraffic"]>[0] = () => undefined;
  #isClosed = false;

  constructor(options: EgressOptions) {
    this.#options = options;
  }

  /**
   * Settles once what holds for the address is this, for open connections too.
   * @param policy undefined for one that reaches nothing by name
   */
  async set(address: string, policy: ClientPolicy | undefined): Promise<void> {
    const isNeeded = policy !== undefined && (!policy.isOpen || policy.member !== undefined);
    if (!isNeeded && !this.#policies.has(address)) return;
    if (policy) this.#policies.set(address, policy);
    else this.#policies.delete(address);
    // A program that is not there lets nothing out, and is told when it starts.
    if (isNeeded || this.#link) await this.#tell(await this.#connected(), address);
  }

  onTraffic(listener: Parameters<TrafficSource["onTraffic"]>[0]): void {
    this.#listener = listener;
  }

  async settle(): Promise<void> {
    const link = await this.#link?.catch(() => undefined);
    if (link) await this.#ask(link, (request) => ({ type: "report", request }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const link = await this.#link?.catch(() => undefined);
    link?.socket.destroy();
    await link?.child.gone.catch(() => undefined); // with the launcher it is gone too
    this.#server?.close();
    await rm(this.#options.socketPath, { force: true });
  }

  #connected(): Promise<Link> {
    this.#link ??= this.#start().catch((error: unknown) => {
      this.#link = undefined;
      throw error;
    });
    return this.#link;
  }

  async #start(): Promise<Link> {
    const { launcher, logFile, socketPath, settings } = this.#options;
    const limit = AbortSignal.timeout(startLimitMs);
    const arrived = this.#arrival(await this.#listening(), limit);
    arrived.catch(() => undefined); // it is awaited only once the program runs
    const argv = ["sh", "-c", 'exec "$@" 2>>"$0"', logFile, process.execPath, "--disable-warning=ExperimentalWarning"];
    const child = await launcher.spawnWatched([...argv, program, socketPath], {
      cwd: "/",
      env: environment(),
      signal: limit,
    });
    try {
      const socket = await Promise.race([arrived, child.gone.then(() => Promise.reject(ended(logFile)))]);
      const link: Link = { child, socket, waiting: new Map() };
      const ready = Promise.withResolvers<void>();
      receive<FromEgress>(socket, (message) => {
        if (message.type === "ready") ready.resolve();
        else if (message.type === "traffic") this.#listener(message.address, message.traffic);
        else link.waiting.get(message.request)?.resolve();
      });
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        ready.reject(ended(logFile));
        this.#lost(link);
      });
      send(socket, { type: "settings", settings });
      const told = [...this.#policies.keys()].map((address) => this.#tell(link, address));
      await abortable(() => Promise.all([ready.promise, ...told]), limit);
      return link;
    } catch (error) {
      await child.kill(sigkill).catch(() => undefined); // it has ended, or is about to
      throw error;
    } finally {
      child.gone.then(
        () => child.forget(),
        () => undefined, // the launcher is lost, and with it all that it remembers
      );
    }
  }

  async #listening(): Promise<Server> {
    if (this.#server) return this.#server;
    const { socketPath } = this.#options;
    await rm(socketPath, { force: true });
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(socketPath, resolve));
    await chmod(socketPath, 0o600);
    this.#server = server;
    return server;
  }

  #arrival(server: Server, limit: AbortSignal): Promise<Socket> {
    return abortable(() => new Promise((resolve) => server.once("connection", resolve)), limit);
  }

  #tell(link: Link, address: string): Promise<void> {
    return this.#ask(link, (request) => ({ type: "client", request, address, policy: this.#policies.get(address) }));
  }

  /** @throws AtollError when the program ends, or does not answer in time */
  async #ask({ socket, waiting }: Link, message: (request: number) => ToEgress): Promise<void> {
    this.#requests += 1;
    const request = this.#requests;
    const done = Promise.withResolvers<void>();
    waiting.set(request, done);
    send(socket, message(request));
    try {
      await abortable(() => done.promise, AbortSignal.timeout(answerLimitMs));
    } finally {
      waiting.delete(request);
    }
  }

  #lost(link: Link): void {
    for (const { reject } of link.waiting.values()) reject(ended(this.#options.logFile));
    this.#link = undefined;
    if (this.#isClosed || this.#policies.size === 0) return;
    this.#options.onError(ended(this.#options.logFile));
    const again = () => {
      if (this.#isClosed || this.#policies.size === 0) return;
      this.#connected().catch((error: unknown) => {
        this.#options.onError(error);
        setTimeout(again, restartMs).unref();
      });
    };
    setTimeout(again, restartMs).unref();
  }
}

/** Servers that secrets go to are trusted as the daemon trusts them. */
function environment(): Record<string, string> {
  const { PATH = "/usr/sbin:/usr/bin:/sbin:/bin", NODE_EXTRA_CA_CERTS: authorities } = process.env;
  return { PATH, ...(authorities && { NODE_EXTRA_CA_CERTS: authorities }) };
}

function ended(logFile: string): AtollError {
  return new AtollError(
    "internal",
    `cannot serve what is allowed by name: the egress program has ended; see ${logFile}`,
  );
}

/** HTTP/1 of sandboxes: every request is parsed and goes to the name that it is for, or nowhere. */
import {
  Agent,
  type AgentOptions,
  createServer,
  type IncomingMessage,
  request as requestOf,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, createSecureContext, TLSSocket } from "node:tls";
import type { HeaderRule } from "../network/header-rule.ts";
import { egressPorts } from "../network/rules.ts";
import { handedOn } from "../tunnels/admission.ts";
import { pass } from "../tunnels/passage.ts";
import { type Asked, asked, askedToConnect } from "./asked.ts";
import type { Door, Target } from "./door.ts";
import { leave } from "./leave.ts";
import { Refused, refusals } from "./refused.ts";
import type { Visitor } from "./web.ts";

const limits = {
  maxHeaderSize: 64 * 1024,
  headersTimeout: 10_000,
  /** A long upload is none of our business. */
  requestTimeout: 0,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 2500,
} as const;
const handshakeMs = 10_000;
const requestsEach = 10_000;
/** Shorter than what servers wait for a next request, so that it rarely meets a connection that is just being closed. */
const keptMs = 4000;

export class HttpProxy {
  readonly #door: Door;
  readonly #enter: (visitor: Visitor) => Promise<void>;
  readonly #visitors = new WeakMap<object, Visitor>();
  readonly #agents = new WeakMap<object, DoorAgent>();
  readonly #server = createServer(
    // HTTP/2 over an upgraded connection would have requests in it that nobody looks at.
    { ...limits, shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket" },
    (request, response) => void this.#serve(request, response),
  );

  /** @param enter is given what begins anew inside of CONNECT */
  constructor(door: Door, enter: (visitor: Visitor) => Promise<void>) {
    this.#door = door;
    this.#enter = enter;
    // Time limits of heads are looked after only from here on, since connections are brought to it by others.
    this.#server.emit("listening");
    // A client that has said all that it will still waits for its answer.
    Object.assign(this.#server, { maxRequestsPerSocket: requestsEach, httpAllowHalfOpen: true });
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on("connect", (request, socket, head) => void this.#connect(request, socket, head));
    this.#server.on("clientError", (_error, socket) => refuseOn(socket, refusals.malformed));
  }

  serve(visitor: Visitor): void {
    const { socket } = visitor;
    this.#visitors.set(socket, visitor);
    const agent = new DoorAgent(this.#door, visitor);
    this.#agents.set(socket, agent);
    socket.once("close", () => agent.destroy());
    this.#server.emit("connection", socket);
  }

  /** Ends TLS here, for a name whose requests a secret goes into. */
  serveEncrypted(visitor: Visitor, { certificate, key }: HeaderRule): void {
    const secureContext = createSecureContext({ cert: certificate, key, minVersion: "TLSv1.2" });
    const socket = new TLSSocket(visitor.socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
    const limit = setTimeout(() => socket.destroy(), handshakeMs);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => clearTimeout(limit));
    socket.once("secure", () => {
      clearTimeout(limit);
      this.serve({ ...visitor, socket });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const upstream = this.#upstream(request, endToEnd(request));
      response.once("close", () => upstream.destroy());
      response.on("error", () => upstream.destroy());
      upstream.on("error", (error) => refuse(response, error));
      upstream.once("response", (answered) => passAnswer(answered, response));
      request.pipe(upstream);
    } catch (error) {
      refuse(response, error);
    }
  }

  /** What is refused is answered to whoever asked for the upgrade, and then the connection ends: nothing else is read from it as HTTP. */
  async #upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    try {
      const headers = { ...endToEnd(request), connection: ["Upgrade"], upgrade: ["websocket"] };
      const upstream = this.#upstream(request, headers);
      client.once("close", () => upstream.destroy());
      upstream.on("error", (error) => refuseOn(client, error));
      upstream.once("response", (answered) => {
        answered.on("error", () => client.destroy());
        client.write(headOf(answered, { ...endToEnd(answered), connection: ["close"] }));
        answered.pipe(client);
      });
      upstream.once("upgrade", (answered, server, first) => {
        const { upgrade = [] } = answered.headersDistinct;
        client.write(headOf(answered, { ...endToEnd(answered), connection: ["Upgrade"], upgrade }));
        if (first.length > 0) client.write(first);
        if (head.length > 0) server.write(head);
        pass(client, server);
      });
      upstream.end();
    } catch (error) {
      refuseOn(client, error);
    }
  }

  async #connect(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    try {
      const visitor = this.#visitor(request);
      if (visitor.port !== egressPorts.proxy || visitor.within) throw refusals.notHere;
      const { name, port } = askedToConnect(request.url ?? "");
      const within = this.#door.target(visitor.address, name, port);
      visitor.names.add(within.name);
      await this.#door.addresses(visitor.address, within);
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) client.unshift(head);
      await this.#enter({ ...visitor, within });
    } catch (error) {
      refuseOn(client, error);
    }
  }

  /** @throws Refused */
  #upstream(request: IncomingMessage, headers: Record<string, string[]>) {
    const visitor = this.#visitor(request);
    const wanted = this.#asked(visitor, request);
    const { name, port } = this.#target(visitor, wanted);
    const { expect: _answered, ...rest } = headers;
    const { method } = request;
    const secret = this.#secretHeaders(visitor, { name, port }, method);
    const agent = this.#agents.get(request.socket);
    const isChunked = request.headers["transfer-encoding"] !== undefined;
    return requestOf({
      agent,
      host: name,
      port,
      method,
      path: wanted.path,
      headers: { ...rest, ...secret, host: wanted.host, ...(isChunked && { "transfer-encoding": "chunked" }) },
    });
  }

  /** Those that hold now, which may be newer than the connection. @throws Refused */
  #secretHeaders({ address, rule }: Visitor, target: Target, method: string | undefined): HeaderRule["headers"] {
    if (rule === undefined) return {};
    const { secret, headers } = this.#door.ruleFor(address, target) ?? rule;
    if (method === "TRACE") throw refusals.traced;
    if (headers === undefined) throw refusals.secretGone(secret);
    this.#door.secretUsed(address, target, secret);
    return headers;
  }

  #asked({ port, within }: Visitor, { url = "", headersDistinct }: IncomingMessage): Asked {
    return asked({ url, hosts: headersDistinct.host ?? [], port, portWithin: within?.port });
  }

  #target({ address, within, names }: Visitor, wanted: Asked): Target {
    const target = this.#door.target(address, wanted.name, wanted.port);
    if (within && target.name !== within.name)
      throw this.#door.refuse(address, target.port, refusals.otherName(within.name, target.name));
    names.add(target.name);
    return target;
  }

  #visitor({ socket }: IncomingMessage): Visitor {
    const visitor = this.#visitors.get(socket);
    if (visitor) return visitor;
    throw new Error("every connection belongs to a visitor");
  }
}

/** Connections to servers, for the requests of one connection of a sandbox. */
class DoorAgent extends Agent {
  readonly #door: Door;
  readonly #visitor: Visitor;

  constructor(door: Door, visitor: Visitor) {
    super({ keepAlive: true, timeout: keptMs, maxFreeSockets: 4 });
    this.#door = door;
    this.#visitor = visitor;
  }

  override createConnection(
    options: AgentOptions & { host?: string; port?: number },
    done: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    this.#connect({ name: String(options.host), port: Number(options.port) }).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, undefined as never),
    );
  }

  /** Where TLS ended on this side, it begins anew on the other. */
  async #connect(target: Target): Promise<Duplex> {
    const { address, rule } = this.#visitor;
    const socket = await this.#door.connect(address, target);
    return rule === undefined ? socket : encrypted(socket, target.name);
  }
}

/** @throws Refused unless the server is who it says it is */
function encrypted(socket: Socket, servername: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const server = connectTls({ socket, servername, ALPNProtocols: ["http/1.1"] });
    const limit = setTimeout(() => server.destroy(new Error("it does not answer in time")), handshakeMs);
    server.on("error", ({ message }) => {
      server.destroy();
      const [why = message] = message.split(";"); // what Node advises behind it is for others
      reject(refusals.untrusted(servername, why));
    });
    server.once("close", () => {
      clearTimeout(limit);
      reject(refusals.untrusted(servername, "it has closed the connection"));
    });
    server.once("secureConnect", () => {
      clearTimeout(limit);
      resolve(server);
    });
  });
}

function endToEnd({ headersDistinct }: IncomingMessage): Record<string, string[]> {
  return Object.fromEntries(handedOn(headersDistinct));
}

/** A server may answer with what is no answer, such as a status below 100; that is refused like no answer at all. */
function passAnswer(answered: IncomingMessage, response: ServerResponse): void {
  answered.on("error", () => response.destroy());
  try {
    beginAnswer(answered, response);
    answered.pipe(response);
  } catch (error) {
    answered.destroy();
    refuse(response, error);
  }
}

function beginAnswer(answered: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false;
  for (const [name, values] of handedOn(answered.headersDistinct)) response.setHeader(name, values);
  response.writeHead(answered.statusCode ?? 502, answered.statusMessage);
  response.flushHeaders();
}

function headOf({ statusCode, statusMessage }: IncomingMessage, headers: Record<string, readonly string[]>): string {
  const lines = Object.entries(headers).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  return `${[`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines].join("\r\n")}\r\n\r\n`;
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const { status, text } = refusalOf(error);
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
  response.end(text);
}

function refuseOn(client: Duplex, error: unknown): void {
  client.on("error", () => client.destroy());
  if (!client.writable) return void client.destroy();
  const { status, text } = refusalOf(error);
  leave(client);
  client.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

function refusalOf(error: unknown): { readonly status: number; readonly text: string } {
  if (error instanceof Refused) return { status: error.status, text: `${error.message}\n${error.hint}\n` };
  return { status: 502, text: "cannot pass the request on: the server has closed the connection\nTry again.\n" };
}

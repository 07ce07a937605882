/** Where connections of sandboxes to the web arrive: by their first bytes they are TLS, whose server name is read, or HTTP. */
import { createServer, type Socket } from "node:net";
import type { HeaderRule } from "../network/header-rule.ts";
import { egressPorts } from "../network/rules.ts";
import { pass } from "../tunnels/passage.ts";
import { decodeHello, type Hello, isTls } from "./client-hello.ts";
import type { Clients, Passage } from "./clients.ts";
import type { Door, Target } from "./door.ts";
import { HttpProxy } from "./http-proxy.ts";
import { leave } from "./leave.ts";
import { listening } from "./listening.ts";
import { readUntil } from "./read-until.ts";
import { refusals } from "./refused.ts";

/** A connection of a sandbox. */
export interface Visitor {
  readonly socket: Socket;
  /** The sandbox's. */
  readonly address: string;
  /** Of the gateway: the one that the sandbox meant, or that of the proxy. */
  readonly port: number;
  /** The only target of what was asked for with CONNECT. */
  readonly within?: Target | undefined;
  /** What goes into its requests. */
  readonly rule?: HeaderRule | undefined;
  /** Every name that it has to do with; it ends when one of them is not allowed any more. */
  readonly names: Set<string>;
}

/** Connections of one sandbox, and of all. */
const [clientLimit, totalLimit] = [512, 8192];
const firstBytesMs = 10_000;
/** Neither side has sent anything for so long; TCP's own probes find out much earlier whether the other side is there. */
const idleMs = 3_600_000;
/** fatal, access_denied (RFC 8446, 6.2): clients say so, instead of telling of a connection that was lost. */
const accessDenied = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

export async function serveWeb(clients: Clients, door: Door): Promise<void> {
  const proxy: HttpProxy = new HttpProxy(door, (visitor) => receive(door, proxy, visitor));
  const all = new Set<Socket>();
  const serve = (port: number) => {
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true };
    const server = createServer(options, (socket) => {
      socket.on("error", () => socket.destroy());
      if (all.size >= totalLimit) return void socket.destroy();
      all.add(socket);
      socket.once("close", () => all.delete(socket));
      const visitor = admitted(clients, socket, port);
      if (visitor) void receive(door, proxy, visitor);
      else socket.destroy();
    });
    return listening(server, port);
  };
  await Promise.all([serve(egressPorts.http), serve(egressPorts.tls), serve(egressPorts.proxy)]);
}

/** @returns undefined for somebody unknown, and for one who has too many connections */
function admitted(clients: Clients, socket: Socket, port: number): Visitor | undefined {
  const address = socket.remoteAddress ?? "";
  const client = clients.get(address);
  if (!client || client.passages.size >= clientLimit) return undefined;
  const names = new Set<string>();
  const passage: Passage = { names, end: () => socket.resetAndDestroy() };
  client.passages.add(passage);
  socket.once("close", () => client.passages.delete(passage));
  socket.setTimeout(idleMs, () => socket.destroy());
  return { socket, address, port, names };
}

/** Also for what begins anew inside of CONNECT. */
async function receive(door: Door, proxy: HttpProxy, visitor: Visitor): Promise<void> {
  const { socket } = visitor;
  const first = await readUntil(socket, firstBytesMs, ([byte]) => byte);
  if (first === undefined) return void socket.destroy();
  if (!isTls(first)) return proxy.serve(visitor);
  try {
    await passTls(door, proxy, visitor);
  } catch {
    leave(socket);
    socket.end(accessDenied);
  }
}

/** @throws Refused */
async function passTls(door: Door, proxy: HttpProxy, visitor: Visitor): Promise<void> {
  const { socket, address, port, within, names } = visitor;
  const hello = await readUntil(socket, firstBytesMs, decided);
  const to = within?.port ?? port;
  if (hello?.state !== "complete")
    throw door.refuse(address, to, refusals.hidden(hello?.why ?? "it sends no ClientHello"));
  if (to === egressPorts.proxy && !within) throw door.refuse(address, to, refusals.malformed);
  const target = door.target(address, hello.serverName, to);
  if (within && within.name !== target.name)
    throw door.refuse(address, to, refusals.otherName(within.name, target.name));
  names.add(target.name);
  const rule = door.ruleFor(address, target);
  if (rule) return proxy.serveEncrypted({ ...visitor, within: target, rule }, rule);
  const server = await door.connect(address, target);
  server.setTimeout(idleMs, () => server.destroy());
  pass(socket, server);
}

function decided(bytes: Buffer): Exclude<Hello, { readonly state: "incomplete" }> | undefined {
  const hello = decodeHello(bytes);
  return hello.state === "incomplete" ? undefined : hello;
}

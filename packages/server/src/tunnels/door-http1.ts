/** HTTP/1.1 through a door. A connection is kept alive with the client; the service gets one of its own for each request. */
import { createServer, type IncomingMessage, request as requestOf, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type Admitted, handedOn } from "./admission.ts";
import { admitTo, type Door, unauthenticated, unreachable } from "./door.ts";
import { pass, reach } from "./passage.ts";
import { answer } from "./refusal.ts";

const doors = new WeakMap<object, Door>();
const server = createServer(
  // What follows another upgrade, such as one to HTTP/2, could hold requests that nobody has looked at.
  { shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket" },
  (request, response) => void serve(request, response),
);
server.on("upgrade", (request, socket, head) => void upgrade(request, socket, head));
server.on("clientError", (_error, socket) => socket.destroy());

export function serveHttp1(client: TLSSocket, door: Door): void {
  doors.set(client, door);
  server.emit("connection", client);
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const upstream = await requestTo(request, response, framing(request));
  if (upstream) request.pipe(upstream);
}

/** A WebSocket. Bytes pass only once the service has agreed to it: until then they would be requests that nobody has looked at. */
async function upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
  client.on("error", () => client.destroy());
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(client as TLSSocket);
  response.once("finish", () => client.end());
  const upstream = await requestTo(request, response, { connection: "Upgrade", upgrade: "websocket" });
  upstream?.once("upgrade", (answered: IncomingMessage, service: Duplex, first: Buffer) => {
    response.detachSocket(client as TLSSocket);
    const lines = answered.rawHeaders.map((part, index) => (index % 2 === 0 ? `${part}: ` : `${part}\r\n`));
    client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`, "latin1");
    if (first.length > 0) service.unshift(first);
    if (head.length > 0) client.unshift(head);
    pass(client, service);
  });
  upstream?.end();
}

/** The service's side of an admitted request; undefined when the client has its answer already. */
async function requestTo(request: IncomingMessage, response: ServerResponse, more: Record<string, string>) {
  const door = doors.get(request.socket);
  const admitted = door && admitTo(door, { target: request.url ?? "/", headers: request.headersDistinct });
  if (!(door && admitted)) return void answer(request, response, unauthenticated);
  const socket = await reach(door.target, true, door.signal).catch(() => undefined);
  if (!socket) return void answer(request, response, unreachable);
  const { method } = request;
  const headers = { ...admitted.headers, ...more };
  const upstream = requestOf({
    createConnection: () => socket,
    method,
    path: admitted.target,
    headers,
    setHost: false,
  });
  response.once("close", () => upstream.destroy());
  upstream.once("error", () => {
    if (response.headersSent) response.destroy();
    else answer(request, response, unreachable);
  });
  upstream.once("response", (answered) => relay(answered, response, admitted));
  return upstream;
}

function relay(answered: IncomingMessage, response: ServerResponse, { setCookie }: Admitted): void {
  for (const [name, values] of handedOn(answered.headersDistinct)) response.setHeader(name, values);
  if (setCookie !== undefined) response.appendHeader("set-cookie", setCookie);
  response.writeHead(answered.statusCode ?? 502);
  response.flushHeaders();
  answered.on("error", () => response.destroy());
  answered.pipe(response);
}

/** Said outright, since a body without a length after a method that has none usually would be read as the next request. */
function framing({ headers }: IncomingMessage): Record<string, string> {
  return headers["transfer-encoding"] === undefined ? {} : { "transfer-encoding": "chunked" };
}

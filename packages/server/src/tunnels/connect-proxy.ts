/** HTTP to a port of a sandbox for whoever bears a connect token; every request is parsed, so that none passes unseen. */
import { createServer, type IncomingMessage, request as requestOf, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { ConnectGrant } from "./connect-token.ts";
import { pass, reach, type Target } from "./passage.ts";
import { answer, type Refusal } from "./refusal.ts";

export const parameters = ["_atoll_connect_token", "_modal_connect_token"] as const;
/** Set for the service when the token carries metadata; what a client sends under it never arrives. */
const verified = "x-verified-user-data";
/** RFC 9110, 7.6.1: of one connection alone. */
const hops = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);

export interface Door {
  readonly target: Target;
  readonly signal: AbortSignal;
  /** The grant of a valid token for this door. */
  check(token: string): ConnectGrant | undefined;
}

interface Admitted {
  readonly grant: ConnectGrant;
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly cookie: string | undefined;
}

const doors = new WeakMap<object, Door>();
const server = createServer((request, response) => void serve(request, response));
server.on("upgrade", (request, socket, head) => void upgrade(request, socket, head));
server.on("clientError", (_error, socket) => socket.destroy());

const unauthenticated: Refusal = {
  status: 401,
  message: "cannot open this port without a valid connect token",
  hint: "Send one of sandbox.createConnectToken() as `Authorization: Bearer TOKEN`, or open the URL with ?_atoll_connect_token=TOKEN.",
};
const unreachable: Refusal = {
  status: 502,
  message: "cannot reach the port: nothing listens on it in the sandbox",
  hint: "Start the service on 0.0.0.0 and try again.",
  isPassing: true,
};

export function serveDoor(client: TLSSocket, door: Door): void {
  doors.set(client, door);
  server.emit("connection", client);
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const door = doors.get(request.socket);
  const admitted = door && admit(request, door);
  if (!(door && admitted)) return answer(request, response, unauthenticated);
  try {
    const socket = await reach(door.target, true, door.signal);
    const { method } = request;
    const { path, headers, cookie } = admitted;
    const upstream = requestOf({ createConnection: () => socket, method, path, headers, setHost: false });
    response.once("close", () => upstream.destroy());
    upstream.once("error", () => {
      if (response.headersSent) response.destroy();
      else answer(request, response, unreachable);
    });
    upstream.once("response", (answered) => {
      const kept = Object.entries(answered.headersDistinct).filter(([name]) => !hops.has(name));
      for (const [name, values] of kept) if (values) response.setHeader(name, values);
      if (cookie) response.appendHeader("set-cookie", cookie);
      response.writeHead(answered.statusCode ?? 502);
      response.flushHeaders();
      answered.on("error", () => response.destroy());
      answered.pipe(response);
    });
    request.pipe(upstream);
  } catch {
    answer(request, response, unreachable);
  }
}

async function upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
  const door = doors.get(request.socket);
  const admitted = door && admit(request, door);
  client.on("error", () => client.destroy());
  if (!(door && admitted))
    return void client.end(
      "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n",
    );
  try {
    const socket = await reach(door.target, true, door.signal);
    const headers = { ...admitted.headers, connection: "Upgrade", upgrade: request.headers.upgrade ?? "websocket" };
    const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((each) => `${name}: ${each}`));
    socket.write(`${[`${request.method} ${admitted.path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
    if (head.length > 0) socket.write(head);
    pass(client, socket);
  } catch {
    client.end("HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  }
}

function admit(request: IncomingMessage, door: Door): Admitted | undefined {
  const [path = "/", query = ""] = splitOnce(request.url ?? "/", "?");
  const fields = query.split("&").filter(Boolean);
  const inQuery = fields.find((field) => isParameter(field));
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const cookies = (request.headers.cookie ?? "").split(/; */).filter(Boolean);
  const inCookie = cookies.find((field) => isParameter(field));
  const token = bearer ?? valueIn(inQuery) ?? valueIn(inCookie);
  const grant = token === undefined ? undefined : door.check(token);
  if (token === undefined || !grant) return undefined;
  const kept = fields.filter((field) => !isParameter(field)).join("&");
  const age = Math.max(1, Math.floor((grant.expiresAt - Date.now()) / 1000));
  return {
    grant,
    path: kept === "" ? path : `${path}?${kept}`,
    headers: headersFor(
      request.headersDistinct,
      cookies.filter((field) => !isParameter(field)),
      bearer,
      grant,
    ),
    // The page's own requests carry no parameter.
    cookie:
      inQuery && !bearer
        ? `${parameters[0]}=${token}; Path=/; Max-Age=${age}; Secure; HttpOnly; SameSite=Lax`
        : undefined,
  };
}

/** A service behind CGI or WSGI reads `-` and `_` as one, so neither spelling of the verified header may come from a client. */
function headersFor(
  given: NodeJS.Dict<string[]>,
  cookies: readonly string[],
  bearer: string | undefined,
  grant: ConnectGrant,
): Record<string, string | string[]> {
  const named = new Set((given.connection ?? []).flatMap((value) => value.toLowerCase().split(/[ ,]+/)));
  const headers: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(given)) {
    if (hops.has(name) || named.has(name) || name === "cookie" || name.replaceAll("_", "-") === verified) continue;
    if (name === "authorization" && bearer !== undefined) continue;
    if (values) headers[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  if (cookies.length > 0) headers.cookie = cookies.join("; ");
  if (grant.metadata !== undefined) headers[verified] = grant.metadata;
  return headers;
}

function isParameter(field: string): boolean {
  return parameters.some((name) => field.startsWith(`${name}=`));
}

function valueIn(field: string | undefined): string | undefined {
  return field === undefined ? undefined : splitOnce(field, "=")[1];
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

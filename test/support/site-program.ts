/**
 * A program, for a network namespace of its own: a name server on port 53, web servers on 80, and TLS servers on 443 and 8443 with a
 * certificate for whatever name is asked for. Its argument is a Site as JSON; what it hears it prints, as JSON, a line each.
 */
import { createSocket } from "node:dgram";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext } from "node:tls";
import { Authority } from "../../packages/server/src/certificates/authority.ts";
import { codes, decodeQuery, encodeAnswer } from "../../packages/server/src/egress/dns-message.ts";

const {
  authority: pem,
  names,
}: { authority: { certificate: string; key: string }; names: Record<string, string[][]> } = JSON.parse(
  process.argv[2] ?? "",
);
const authority = new Authority(pem);
/** Signs for names that begin with "forged.", and nobody knows it. */
const impostor = Authority.make({ commonName: "Impostor" });
const asked = new Map<string, number>();

/** Each question gets the next of the name's answers; the last one stays. */
function addressesOf(name: string): string[] | undefined {
  const answers = names[name];
  const turn = asked.get(name) ?? 0;
  asked.set(name, turn + 1);
  return answers?.[Math.min(turn, answers.length - 1)];
}

function say(heard: object): void {
  process.stdout.write(`${JSON.stringify(heard)}\n`);
}

const dns = createSocket("udp4");
dns.on("message", (message, { address, port }) => {
  const query = decodeQuery(message);
  if (query === undefined || "refusal" in query) return;
  say({ dns: query.name, type: query.type });
  const addresses = addressesOf(query.name);
  const code = addresses === undefined ? codes.noSuchName : codes.ok;
  dns.send(
    encodeAnswer(query, { code, addresses: query.type === 1 ? (addresses ?? []) : [], ttlSeconds: 1 }),
    port,
    address,
  );
});

/** Answers with what it has heard, and where. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request;
  const { servername } = request.socket as Socket & { servername?: string };
  let received = 0;
  request.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  request.on("end", () => {
    const heard = { method, url, headers, servername, at: request.socket.localAddress, received };
    say(heard);
    if (url === "/big") return void response.end(Buffer.alloc(32 * 1024 * 1024, "x"));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(heard));
  });
}

function echo(_request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on("error", () => socket.destroy());
  socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
  socket.write(head);
  socket.pipe(socket);
}

const contexts = (name: string) => createSecureContext({ ...certificateFor(name) });
function certificateFor(name: string): { cert: string; key: string } {
  const { certificate, key } = (name.startsWith("forged.") ? impostor : authority).leaf(name);
  return { cert: certificate, key };
}
const tls = () =>
  createTlsServer(
    { ...certificateFor("unnamed.test"), SNICallback: (name, done) => done(null, contexts(name)) },
    answer,
  );

const servers: [Server, number][] = [
  [createServer(answer), 80],
  [tls(), 443],
  [tls(), 8443],
];
for (const [server, port] of servers) {
  server.on("upgrade", echo);
  await new Promise<void>((resolve) => server.listen(port, "0.0.0.0", resolve));
}
dns.bind(53, "0.0.0.0", () => say({ ready: true }));

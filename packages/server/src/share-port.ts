/** One port for HTTP/1.1, HTTP/2 and both over TLS: the first bytes of a connection tell which it is. */
import type { Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { isLoopback } from "./loopback.ts";

/** How a client of HTTP/2 begins (RFC 9113, 3.4): "PRI * HTTP/2.0". No method of HTTP/1.1 begins so. */
const preface = Buffer.from("PRI");
/** How a client of TLS begins: the content type of a handshake (RFC 8446, 5.1). */
const handshake = 22;
/** How long a connection may say nothing. */
const silenceMs = 30_000;

/** In PEM; the certificate with those between it and its root. */
export interface TlsPair {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface SharedPort {
  /** Its listener is the port. */
  readonly http1: Server;
  readonly http2: Http2Server;
  /** Asked for at each handshake, so that a renewed one is used. */
  readonly pair: () => TlsPair;
  /** Whether other machines too may speak without TLS. */
  readonly allowsPlaintext: boolean;
}

type Protocol = "http1" | "http2" | "tls";

export function sharePort({ http1, http2, pair, allowsPlaintext }: SharedPort): void {
  const listeners = http1.listeners("connection");
  const serve = (socket: Socket, protocol: Protocol) => {
    // Some clients of gRPC begin HTTP/2 without having asked for it in the handshake, which Node's server would not take.
    if (protocol === "http2" && socket instanceof TLSSocket) socket.alpnProtocol = "h2";
    if (protocol === "http2") http2.emit("connection", socket);
    else if (protocol === "http1") for (const listener of listeners) listener.call(http1, socket);
    else socket.destroy();
  };
  const decrypt = decryption(pair, (socket) => peek(socket, (protocol) => serve(socket, protocol)));
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) =>
    peek(socket, (protocol) => {
      if (protocol === "tls") decrypt(socket);
      else if (allowsPlaintext || isLoopback((socket.remoteAddress ?? "").replace(/^::ffff:/, "")))
        serve(socket, protocol);
      else refuse(socket, protocol);
    }),
  );
}

function decryption(pair: () => TlsPair, use: (socket: Socket) => void): (socket: Socket) => void {
  const server = createTlsServer({ ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: silenceMs });
  server.on("secureConnection", use);
  // A client that does not trust the certificate leaves, and that is its own matter.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  let used: TlsPair | undefined;
  return (socket) => {
    const present = pair();
    if (present !== used) server.setSecureContext(present);
    used = present;
    server.emit("connection", socket);
  };
}

/** Its token has come by then, readable for everyone on the way; nothing else is to follow. */
function refuse(socket: Socket, protocol: Protocol): void {
  if (protocol === "http2") return void socket.destroy();
  const error = {
    code: "invalid_argument",
    message: "cannot answer without TLS: this server answers plaintext on its own machine only",
    hint: "Use https, or allow plaintext with ATOLL_ALLOW_PLAINTEXT=1.",
  };
  const body = JSON.stringify({ error });
  const head = `HTTP/1.1 426 Upgrade Required\r\nupgrade: TLS/1.2\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.on("error", () => socket.destroy());
  socket.end(`${head}\r\n\r\n${body}`);
  socket.resume();
}

function peek(socket: Socket, decide: (protocol: Protocol) => void): void {
  const leave = () => socket.destroy();
  socket.on("error", leave).on("end", leave);
  socket.setTimeout(silenceMs, leave);
  let bytes = Buffer.alloc(0);
  const look = () => {
    const more: Buffer | null = socket.read();
    if (more === null) return;
    bytes = Buffer.concat([bytes, more]);
    const seen = bytes.subarray(0, preface.length);
    if (seen.length < preface.length && preface.subarray(0, seen.length).equals(seen)) return;
    socket.off("readable", look);
    socket.off("error", leave).off("end", leave);
    socket.setTimeout(0);
    socket.off("timeout", leave);
    socket.unshift(bytes);
    if (seen[0] === handshake) decide("tls");
    else decide(seen.equals(preface) ? "http2" : "http1");
  };
  socket.on("readable", look);
}

import type { Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";

/** How a client of HTTP/2 begins (RFC 9113, 3.4): "PRI * HTTP/2.0". No method of HTTP/1.1 begins so. */
const preface = Buffer.from("PRI");
/** How long a connection may say nothing. */
const silenceMs = 30_000;

/** Lets connections to an HTTP/1.1 server that begin HTTP/2 go to another, so that one port serves both. */
export function sharePort(http1: Server, http2: Http2Server): void {
  const listeners = http1.listeners("connection");
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    const leave = () => socket.destroy();
    socket.on("error", leave);
    socket.setTimeout(silenceMs, leave);
    peek(socket, (isHttp2) => {
      socket.off("error", leave);
      socket.setTimeout(0);
      socket.off("timeout", leave);
      if (isHttp2) http2.emit("connection", socket);
      else for (const listener of listeners) listener.call(http1, socket);
    });
  });
}

function peek(socket: Socket, decide: (isHttp2: boolean) => void): void {
  const look = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    socket.unshift(bytes);
    const seen = bytes.subarray(0, preface.length);
    if (seen.length < preface.length && preface.subarray(0, seen.length).equals(seen)) return;
    socket.off("readable", look);
    decide(seen.equals(preface));
  };
  socket.on("readable", look);
}

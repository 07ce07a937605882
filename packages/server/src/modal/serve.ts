import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AnswerOptions, answerCall, isGrpc } from "./grpc/answer.ts";

export interface GrpcServer {
  /** Gets its connections from the port it shares. */
  readonly server: Http2Server;
  /** Tells clients to go, and cuts off those that have not left after a while. */
  close(graceMs: number): Promise<void>;
}

const settings = { maxConcurrentStreams: 4096, initialWindowSize: 1024 * 1024 };
/** Of all streams of a connection together. */
const connectionWindowBytes = 8 * 1024 * 1024;
/** Megabytes that one connection may hold: two of the largest messages. */
const maxSessionMemory = 256;

export interface GrpcServerOptions extends AnswerOptions {
  /** Takes requests of HTTP/2 that are no calls. */
  others(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
}

export function grpcServer({ others, ...options }: GrpcServerOptions): GrpcServer {
  const { log } = options;
  const server = createServer({ settings, maxSessionMemory });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    // Earlier it would go out before the settings, which have to be the first.
    session.once("localSettings", () => session.setLocalWindowSize(connectionWindowBytes));
    session.on("error", (error) => log.debug({ err: error }, "a connection broke"));
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", (error) => log.debug({ err: error }, "a connection broke"));
  server.on("stream", (stream, headers) => {
    if (isGrpc(headers)) return void answerCall(stream as ServerHttp2Stream, headers, options);
    stream.on("error", (error) => log.debug({ err: error }, "a stream broke"));
    others(stream as ServerHttp2Stream, headers);
  });
  return {
    server,
    close: async (graceMs) => {
      const left = [...sessions].map((session) => new Promise<void>((resolve) => session.close(() => resolve())));
      const timer = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, graceMs);
      await Promise.all(left);
      clearTimeout(timer);
    },
  };
}

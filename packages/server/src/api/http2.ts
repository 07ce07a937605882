/** The native API over HTTP/2. */
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { FastifyInstance } from "fastify";

/** Takes streams of a connection that gRPC shares, as requests of the server that HTTP/1.1 has. */
export function overHttp2(app: FastifyInstance): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
  // It has no connections of its own: it makes a request and a response of a stream.
  const requests = createServer((request, response) => {
    const { headers, stream } = request;
    headers.host ??= headers[":authority"];
    // HTTP/2 tells where a body ends by itself; the server looks for what HTTP/1.1 has for it.
    if (!stream.endAfterHeaders && headers["content-length"] === undefined) headers["transfer-encoding"] = "chunked";
    app.routing(request as never, response as never);
  });
  return (stream, headers) => void requests.emit("stream", stream, headers, 0, []);
}

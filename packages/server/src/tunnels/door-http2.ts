/** HTTP/2 through a door, as gRPC needs it: each stream is admitted by itself, and goes on over HTTP/2 with prior knowledge. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  performServerHandshake,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { type Admitted, type HeaderLists, handedOn } from "./admission.ts";
import { admitTo, type Door, unauthenticated, unreachable } from "./door.ts";
import { reach } from "./passage.ts";
import { answerStream } from "./refusal.ts";

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR } = constants;
const maxStreams = 128;

export function serveHttp2(client: TLSSocket, door: Door): void {
  const session = performServerHandshake(client, { settings: { maxConcurrentStreams: maxStreams } });
  const service = new Service(door);
  session.on("error", () => session.destroy());
  session.once("close", () => service.close());
  session.on("stream", (stream, headers) => {
    // A stream that fails ends, and the client is told by its reset.
    stream.on("error", () => undefined);
    const admitted = admitTo(door, { target: headers[":path"] ?? "/", headers: listed(headers) });
    if (admitted) void forward(stream, headers, admitted, service);
    else answerStream(stream, headers, unauthenticated);
  });
}

/** One connection to the service for all streams of a client. */
class Service {
  readonly #door: Door;
  #session: Promise<ClientHttp2Session> | undefined;
  #isClosed = false;

  constructor(door: Door) {
    this.#door = door;
  }

  /** @throws Error when nothing listens */
  session(): Promise<ClientHttp2Session> {
    this.#session ??= this.#connect().catch((error: unknown) => {
      this.#session = undefined;
      throw error;
    });
    return this.#session;
  }

  close(): void {
    this.#isClosed = true;
    this.#session?.then((session) => session.destroy()).catch(() => undefined);
  }

  async #connect(): Promise<ClientHttp2Session> {
    const { target, signal } = this.#door;
    const socket = await reach(target, true, signal);
    const session = connect(`http://${target.address}:${target.port}`, { createConnection: () => socket });
    session.on("error", () => session.destroy());
    session.once("goaway", () => this.#forget());
    session.once("close", () => this.#forget());
    if (this.#isClosed) session.destroy();
    return session;
  }

  #forget(): void {
    this.#session = undefined;
  }
}

async function forward(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  admitted: Admitted,
  service: Service,
): Promise<void> {
  try {
    const session = await service.session();
    if (stream.destroyed) return;
    const pseudo = Object.entries(headers).filter(([name]) => name.startsWith(":"));
    const asked = {
      ...Object.fromEntries(pseudo),
      ...admitted.headers,
      ":path": admitted.target,
      ...trailersWish(headers),
    };
    const upstream = session.request(asked, { endStream: false, waitForTrailers: true });
    carryTrailers(stream, upstream);
    carryTrailers(upstream, stream);
    upstream.once("response", (answered, flags) => respond(stream, answered, flags, admitted));
    stream.pipe(upstream);
    upstream.pipe(stream);
    endTogether(stream, headers, upstream);
  } catch {
    if (!stream.destroyed) answerStream(stream, headers, unreachable);
  }
}

function respond(
  stream: ServerHttp2Stream,
  answered: IncomingHttpHeaders & IncomingHttpStatusHeader,
  flags: number,
  { setCookie }: Admitted,
): void {
  if (stream.destroyed) return;
  const kept: Record<string, string | string[]> = Object.fromEntries(handedOn(listed(answered)));
  if (setCookie !== undefined) kept["set-cookie"] = [...[kept["set-cookie"] ?? []].flat(), setCookie];
  // An answer without a body, as gRPC's errors are, stays one.
  const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
  stream.respond({ ":status": answered[":status"] ?? 502, ...kept }, { endStream, waitForTrailers: !endStream });
}

type Stream = ServerHttp2Stream | ClientHttp2Stream;

function carryTrailers(from: Stream, to: Stream): void {
  let trailers: IncomingHttpHeaders = {};
  from.once("trailers", (given: IncomingHttpHeaders) => {
    trailers = given;
  });
  to.once("wantTrailers", () => to.sendTrailers(Object.fromEntries(handedOn(listed(trailers)))));
}

function endTogether(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, upstream: ClientHttp2Stream): void {
  stream.once("close", () => {
    if (!upstream.closed) upstream.close(stream.rstCode || NGHTTP2_CANCEL);
  });
  upstream.on("error", () => undefined);
  upstream.once("close", () => {
    if (stream.destroyed) return;
    if (!stream.headersSent) answerStream(stream, headers, unreachable);
    else if (upstream.rstCode !== 0) stream.close(upstream.rstCode || NGHTTP2_INTERNAL_ERROR);
  });
}

/** The one value that HTTP/2 has for it (RFC 9113, 8.2.2); services of gRPC look for it. */
function trailersWish({ te }: IncomingHttpHeaders): { te?: string } {
  return te === "trailers" ? { te } : {};
}

/** Without pseudo-headers. */
function listed(headers: IncomingHttpHeaders): HeaderLists {
  const lists: HeaderLists = {};
  for (const [name, value] of Object.entries(headers))
    if (!name.startsWith(":") && value !== undefined) lists[name] = [value].flat().map(String);
  return lists;
}

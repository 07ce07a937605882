/** What a client is told that cannot be let through: a page or an error over HTTP, a clean close otherwise. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { firstBytes } from "./passage.ts";

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
  /** A browser tries again by itself. */
  readonly isPassing?: true;
}

const firstBytesMs = 3000;
const answerMs = 10_000;
const refusals = new WeakMap<object, Refusal>();

const http1 = createServer((request, response) => answer(request, response, refusals.get(request.socket)));
const http2 = createHttp2Server((request, response) =>
  answer(request, response, request.stream.session && refusals.get(request.stream.session)),
);
http2.on("session", (session) => {
  const refusal = pending.shift();
  if (refusal) refusals.set(session, refusal);
  session.on("error", () => session.destroy());
});
/** A session is announced while its connection is handed over. */
const pending: Refusal[] = [];

export async function refuse(client: Duplex, refusal: Refusal): Promise<void> {
  const bytes = await firstBytes(client, firstBytesMs);
  const timer = setTimeout(() => client.destroy(), answerMs);
  client.once("close", () => clearTimeout(timer));
  client.on("error", () => client.destroy());
  if (bytes === undefined || !isHttp(bytes)) return void client.end();
  if (bytes.subarray(0, 3).toString("latin1") === "PRI") {
    pending.push(refusal);
    http2.emit("connection", client);
  } else {
    refusals.set(client, refusal);
    http1.emit("connection", client);
  }
}

export function isHttp(bytes: Buffer): boolean {
  return /^[A-Z]{3,16} \S/.test(bytes.subarray(0, 20).toString("latin1"));
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export function answer(request: Request, response: Response, refusal: Refusal | undefined): void {
  const { status, message, hint, isPassing } = refusal ?? { status: 502, message: "cannot answer", hint: "" };
  const isPage = request.headers.accept?.includes("text/html") ?? false;
  response.statusCode = status;
  if (isPassing) response.setHeader("retry-after", "1");
  if (status === 401) response.setHeader("www-authenticate", "Bearer");
  response.setHeader("cache-control", "no-store");
  response.setHeader("content-type", isPage ? "text/html; charset=utf-8" : "application/json; charset=utf-8");
  if (request.httpVersionMajor === 1) response.setHeader("connection", "close");
  const code =
    status === 401
      ? "unauthenticated"
      : status === 404
        ? "not_found"
        : status === 403
          ? "permission_denied"
          : "unavailable";
  const body = isPage
    ? page(message, hint, isPassing && request.method === "GET")
    : `${JSON.stringify({ error: { code, message, hint } })}\n`;
  (response as ServerResponse).end(body);
}

function page(message: string, hint: string, refreshes: boolean | undefined): string {
  const again = refreshes ? '<meta http-equiv="refresh" content="2">' : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${again}<title>Atoll</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto;padding:0 1rem}p{color:#555}</style></head>
<body><h1>${escaped(message)}</h1><p>${escaped(hint)}</p></body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

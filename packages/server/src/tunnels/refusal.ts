/** What a client is told that cannot be let through: a page or an error over HTTP, a clean close otherwise. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { firstBytes } from "./passage.ts";

export interface Refusal {
  readonly status: keyof typeof codes;
  readonly message: string;
  readonly hint: string;
  /** A browser tries again by itself. */
  readonly isPassing?: true;
}

const codes = {
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  502: "unavailable",
  503: "unavailable",
} as const;
const firstBytesMs = 3000;
const answerMs = 10_000;

const refusals = new WeakMap<object, Refusal>();
const http1 = createServer((request, response) => {
  const refusal = refusals.get(request.socket);
  if (refusal) answer(request, response, refusal);
  else response.destroy();
});

export async function refuse(client: Duplex, refusal: Refusal): Promise<void> {
  const timer = setTimeout(() => client.destroy(), firstBytesMs + answerMs);
  client.once("close", () => clearTimeout(timer));
  client.on("error", () => client.destroy());
  const bytes = await firstBytes(client, firstBytesMs);
  if (bytes === undefined || !isHttp(bytes)) return void client.end();
  if (bytes.subarray(0, 3).toString("latin1") !== "PRI") {
    refusals.set(client, refusal);
    return void http1.emit("connection", client);
  }
  const session = performServerHandshake(client);
  session.on("error", () => session.destroy());
  session.on("stream", (stream, headers) => answerStream(stream, headers, refusal));
}

export function isHttp(bytes: Buffer): boolean {
  return /^[A-Z]{3,16} \S/.test(bytes.subarray(0, 20).toString("latin1"));
}

export function answer(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { headers, body } = contentOf(refusal, request.headers.accept, request.method);
  response.writeHead(refusal.status, { ...headers, connection: "close" });
  response.end(body);
}

export function answerStream(stream: ServerHttp2Stream, asked: IncomingHttpHeaders, refusal: Refusal): void {
  const { headers, body } = contentOf(refusal, asked.accept, asked[":method"]?.toString());
  stream.on("error", () => undefined);
  stream.respond({ ":status": refusal.status, ...headers });
  stream.end(body);
}

function contentOf({ status, message, hint, isPassing }: Refusal, accept = "", method = "GET") {
  const isPage = accept.includes("text/html");
  const headers = {
    "cache-control": "no-store",
    "content-type": isPage ? "text/html; charset=utf-8" : "application/json; charset=utf-8",
    ...(isPassing && { "retry-after": "1" }),
    ...(status === 401 && { "www-authenticate": "Bearer" }),
  };
  const body = isPage
    ? page(message, hint, isPassing === true && method === "GET")
    : `${JSON.stringify({ error: { code: codes[status], message, hint } })}\n`;
  return { headers, body };
}

function page(message: string, hint: string, refreshes: boolean): string {
  const again = refreshes ? '<meta http-equiv="refresh" content="2">' : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${again}<title>Atoll</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto;padding:0 1rem}p{color:#555}</style></head>
<body><h1>${escaped(message)}</h1><p>${escaped(hint)}</p></body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

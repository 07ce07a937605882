/** An HTTP server with the native API's paths, whose answers a test decides: for what a real server does only when things go wrong. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type OperationName, operations, type Process, type Sandbox } from "../src/generated/api.ts";
import { Client, type ClientOptions } from "../src/index.ts";

export interface Received {
  readonly operation: OperationName;
  readonly params: { readonly [name: string]: string };
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly response: ServerResponse;
}

export type Answer = (received: Received) => void | Promise<void>;
export type Answers = { [name in OperationName]?: Answer };

export interface FakeServer {
  readonly url: string;
  readonly http: Server;
  /** Every request, oldest first. */
  readonly received: Received[];
  readonly client: Client;
  clientWith(options: ClientOptions): Client;
}

const patterns = Object.entries(operations).map(([name, { method, path }]) => ({
  operation: name as OperationName,
  method,
  pattern: new RegExp(`^${path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`),
}));

export async function fakeServer(t: TestContext, answers: Answers): Promise<FakeServer> {
  const received: Received[] = [];
  const http = createServer((request, response) => void answer(request, response, answers, received));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const clientWith = (options: ClientOptions) => new Client({ baseUrl: url, token: "a-token", ...options });
  return { url, http, received, clientWith, client: clientWith({}) };
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: Answers, received: Received[]) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  for (const { operation, method, pattern } of patterns) {
    const match = method === request.method ? pattern.exec(pathname) : null;
    if (!match) continue;
    const params = Object.fromEntries(
      Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]),
    );
    const body = Buffer.concat(await Array.fromAsync(request));
    const row = { operation, params, query: searchParams, headers: request.headers, body, response };
    received.push(row);
    return (answers[operation] ?? unexpected)(row);
  }
  json(response, 404, { error: { code: "not_found", message: "cannot find the path", hint: "", requestId: "none" } });
}

function unexpected({ response, operation }: Received) {
  json(response, 500, {
    error: {
      code: "internal",
      message: `cannot answer ${operation}`,
      hint: "Give the test an answer.",
      requestId: "t",
    },
  });
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}

export function failWith(code: string, status: number): Answer {
  return ({ response }) =>
    json(response, status, {
      error: { code, message: `cannot do it: ${code}`, hint: `what to do about ${code}`, requestId: `req-${code}` },
    });
}

/** Breaks the connection as a killed server does. */
export const drop: Answer = ({ response }) => {
  response.socket?.destroy();
};

/** The first answer for the first request, and so on; the last for all that follow. */
export function inTurn(...answers: readonly Answer[]): Answer {
  let next = 0;
  return (received) => answers[Math.min(next++, answers.length - 1)]?.(received);
}

/** Serves a log as the real server does: from the wanted offset on, and to its end. */
export function output(log: Uint8Array | string): Answer {
  const bytes = Buffer.from(log);
  return ({ response, query }) => {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.end(bytes.subarray(Number(query.get("offset") ?? 0)));
  };
}

/** Sends a part of a log in the given pieces, and then breaks the connection. */
export function brokenOutput(log: Uint8Array | string, pieces: readonly number[]): Answer {
  const bytes = Buffer.from(log);
  return async ({ response, query }) => {
    let offset = Number(query.get("offset") ?? 0);
    response.writeHead(200, { "content-type": "application/octet-stream" });
    for (const length of pieces) {
      response.write(bytes.subarray(offset, offset + length));
      offset += length;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    response.socket?.destroy();
  };
}

export const sandboxId = "sb-0123456789012345678901";
export const processId = "ex-0123456789012345678901";

export function sandboxInfo(fields: Partial<Sandbox> = {}): Sandbox {
  return {
    id: sandboxId,
    app: "default",
    tags: {},
    state: "running",
    isolation: "container",
    image: "base",
    command: ["true"],
    cpu: 1,
    memoryBytes: 2 ** 30,
    pidsLimit: 100,
    openFilesLimit: 1024,
    timeoutMs: 300_000,
    blockNetwork: false,
    createdAt: "2030-01-01T00:00:00Z",
    timeline: [],
    ...fields,
  };
}

export function processInfo(fields: Partial<Process> = {}): Process {
  return {
    id: processId,
    sandboxId,
    argv: ["true"],
    state: "running",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputLimited: false,
    ...fields,
  };
}

import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as http2Connect, type OutgoingHttpHeaders } from "node:http2";
import { request as requestOf } from "node:https";
import { after, before, test } from "node:test";
import { defaultClient, Sandbox } from "@atoll/sdk";
import { credentials, Client as GrpcClient, Metadata, status } from "@grpc/grpc-js";
import { WebSocket } from "ws";
import { until } from "../support/daemon.ts";
import { eachIsolation } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";
import { authorityOf, get, open } from "./client.ts";
import { grpcPort, http2Port, httpPort, redisPort, services } from "./services.ts";

useServer();

interface Told {
  readonly target: string;
  readonly version: string;
  readonly headers: [name: string, value: string][];
  readonly length: number;
  readonly waiting: number;
}

const forged = { "x-verified-user-data": "root", x_verified_user_data: "root" };
const forgedLines = Object.entries(forged).map(([name, value]) => `${name}: ${value}\r\n`);
const metadata = '{"user":"ada"}';
const startLimitMs = 120_000;
let ca = "";
before(async () => {
  ca = await authorityOf(defaultClient());
});

eachIsolation((isolation) => {
  let sandbox: Sandbox;
  const urlOf = async (port: number) => (await sandbox.tunnels())[port]?.url ?? "";
  const tokenFor = (port: number) => sandbox.createConnectToken({ port, userMetadata: JSON.parse(metadata) });
  before(async () => {
    sandbox = await Sandbox.create(services.argv, { ...services.options, isolation, timeoutMs: 600_000 });
    const url = await urlOf(httpPort);
    await until("the services answer", async () => (await get(ca, url)).status === 200, startLimitMs);
  });
  after(() => sandbox?.terminate());

  test("a WebSocket carries text, bytes and its end", async () => {
    const socket = await webSocket(`${await urlOf(httpPort)}/chat`);
    for (const sent of [Buffer.from("text"), Buffer.alloc(1_000_000, "0123456789")]) {
      socket.send(sent);
      const [received] = await once(socket, "message");
      assert.ok(sent.equals(received));
    }
    socket.close(1000);
    const [code] = await once(socket, "close");
    assert.equal(code, 1000);
  });

  test("server-sent events and long polls come as they are published, with a token too", async () => {
    const url = await urlOf(httpPort);
    const { url: doorUrl, token } = await tokenFor(httpPort);
    const authorization = `Bearer ${token}`;
    const polls = [await reading(`${url}/poll`), await reading(`${doorUrl}/poll`, { authorization })];
    const feeds = [await reading(`${url}/events`), await reading(`${doorUrl}/events`, { authorization })];
    await until("all wait", async () => JSON.parse((await get(ca, url)).text).waiting >= 4);
    await send(`${url}/publish`, "first");
    await until("the polls end", () => polls.every(({ text, hasEnded }) => hasEnded && text === "data: first\n\n"));
    await until("the first event comes", () => feeds.every(({ text }) => text === "data: first\n\n"));
    await send(`${url}/publish`, "second");
    await until("the second event comes", () => feeds.every(({ text }) => text === "data: first\n\ndata: second\n\n"));
    for (const feed of feeds) feed.stop();
  });

  test("a client and a service of HTTP/2 use many streams of one connection", async () => {
    const session = await http2(await urlOf(http2Port));
    const all = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(session, { ":path": `/${index}` })));
    assert.deepEqual(
      all.map(({ target, version }) => `${target} ${version}`),
      all.map((_, index) => `/${index}? 2`),
    );
    const body = Buffer.alloc(1_000_000, "x");
    assert.equal((await ask(session, { ":path": "/", ":method": "POST" }, body)).length, body.length);
    session.destroy();
  });

  test("a client of Redis speaks to it over TLS", async () => {
    const { host, port } = new URL(await urlOf(redisPort));
    const socket = await open(ca, { host: host.split(":")[0] ?? "", port: Number(port) });
    socket.write("SET greeting hello\r\nGET greeting\r\n");
    let answered = "";
    socket.on("data", (bytes) => {
      answered += bytes;
    });
    await until("Redis answers", () => answered === "+OK\r\n$5\r\nhello\r\n");
    socket.destroy();
  });

  test("gRPC calls one by one, in both directions at once, and with an error, with a token too", async () => {
    const door = await tokenFor(grpcPort);
    for (const [url, token] of [[await urlOf(grpcPort), undefined] as const, [door.url, door.token] as const]) {
      const client = grpcTo(url);
      const asked = new Metadata();
      if (token !== undefined) asked.set("authorization", `Bearer ${token}`);
      if (token !== undefined) asked.set("x-verified-user-data", "root");
      const done = await unary(client, asked, "hello");
      assert.deepEqual([done.text, done.trailers.get("length")], ["olleh", ["5"]]);
      assert.deepEqual(done.trailers.get("x-verified-user-data"), token === undefined ? [] : [metadata]);
      await assert.rejects(unary(client, asked, "fail"), { code: status.FAILED_PRECONDITION, details: "as asked" });
      const call = client.makeBidiStreamRequest("/test.Echo/Both", bytesOf, textOf, asked);
      for (const part of ["one", "two"]) {
        call.write(part);
        assert.deepEqual(await once(call, "data"), [part.toUpperCase()]);
      }
      call.end();
      call.resume();
      await once(call, "end");
      client.close();
    }
    const client = grpcTo(door.url);
    await assert.rejects(unary(client, new Metadata(), "hello"), { code: status.UNAUTHENTICATED });
    client.close();
  });

  test("a connect token admits each request of HTTP/2 by itself, as header, parameter or cookie, and none can forge its metadata", async () => {
    const { url, token } = await tokenFor(http2Port);
    const session = await http2(url);
    const bearing = [
      { authorization: `Bearer ${token}`, ":path": "/a?b=c" },
      { ":path": `/a?b=c&_atoll_connect_token=${token}` },
      { ":path": "/a?b=c", cookie: `x=1; _modal_connect_token=${token}` },
    ];
    for (const headers of bearing) assertClean(await ask(session, { ...forged, ...headers }), "/a?b=c");
    const without = session.request({ ...forged, ":path": "/" });
    const [answered] = await once(without, "response");
    assert.equal(answered[":status"], 401);
    session.destroy();
  });

  test("a connect token opens a WebSocket, as header, parameter or cookie, with metadata that cannot be forged", async () => {
    const { url, token } = await tokenFor(httpPort);
    await assert.rejects(webSocket(`${url}/chat`, forged), /401/);
    const sockets = [
      await webSocket(`${url}/chat`, { ...forged, authorization: `Bearer ${token}` }, true),
      await webSocket(`${url}/chat?_atoll_connect_token=${token}`, forged, true),
      await webSocket(`${url}/chat`, { ...forged, cookie: `_atoll_connect_token=${token}` }, true),
    ];
    for (const { socket, headers } of sockets) {
      assertClean({ headers });
      socket.send("still there");
      const [echoed] = await once(socket, "message");
      assert.equal(String(echoed), "still there");
      socket.terminate();
    }
  });

  test("no request on a connection that is kept alive reaches the service with forged metadata, however it is wrapped", async () => {
    const { url, token } = await tokenFor(httpPort);
    const head = (line: string, ...more: string[]) =>
      [
        `${line} HTTP/1.1\r\n`,
        "host: x\r\n",
        `authorization: Bearer ${token}\r\n`,
        ...forgedLines,
        ...more,
        "\r\n",
      ].join("");
    const smuggled = head("GET /smuggled");
    const chunked = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
    const answers = await conversation(url, [
      head("GET /first"),
      head("GET /second", "transfer-encoding: chunked\r\n") + chunked,
      head("GET /third", "connection: upgrade, http2-settings\r\n", "upgrade: h2c\r\n", "http2-settings: AAMAAABk\r\n"),
      // No WebSocket for want of a key, so what follows must not be read.
      head("GET /fourth", "connection: upgrade\r\n", "upgrade: websocket\r\n") + smuggled,
    ]);
    assert.doesNotMatch(answers, /root|smuggled/);
    assert.deepEqual(
      [...answers.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => code),
      ["200", "200", "200", "400"],
    );
    assert.match(answers, new RegExp(`"length": ${smuggled.length}`));
  });
});

/** With the verified metadata alone, and without the token. */
function assertClean({ headers, target }: Partial<Told>, expected?: string): void {
  const text = JSON.stringify(headers);
  assert.doesNotMatch(text, /root|bearer|connect_token/i);
  assert.deepEqual(
    headers?.filter(([name]) => /verified/.test(name)),
    [["x-verified-user-data", metadata]],
  );
  assert.equal(target, expected);
}

async function webSocket(url: string, headers?: Record<string, string>): Promise<WebSocket>;
async function webSocket(
  url: string,
  headers: Record<string, string>,
  isTold: true,
): Promise<{ socket: WebSocket; headers: Told["headers"] }>;
async function webSocket(url: string, headers = {}, isTold?: true) {
  const socket = new WebSocket(url.replace("https:", "wss:"), {
    ca,
    headers,
    lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
  });
  // The service speaks first: of the headers it got.
  const [first] = await once(socket, "message");
  return isTold ? { socket, headers: JSON.parse(String(first)) } : socket;
}

interface Reading {
  text: string;
  hasEnded: boolean;
  stop(): void;
}

/** An answer as it comes, once its head is there. */
async function reading(url: string, headers: Record<string, string> = {}): Promise<Reading> {
  const request = send(url, undefined, headers);
  const [response] = await once(request, "response");
  const read: Reading = { text: "", hasEnded: false, stop: () => request.destroy() };
  response.on("data", (bytes: Buffer) => {
    read.text += bytes;
  });
  response.on("error", () => undefined);
  response.once("end", () => {
    read.hasEnded = true;
  });
  return read;
}

function send(url: string, body?: string, headers: Record<string, string> = {}) {
  const { hostname, port, pathname } = new URL(url);
  const to = { ca, host: "127.0.0.1", port, servername: hostname, path: pathname, agent: false };
  const method = body === undefined ? "GET" : "POST";
  return requestOf({ ...to, method, headers: { host: hostname, ...headers } }).end(body);
}

async function http2(url: string): Promise<ClientHttp2Session> {
  const { hostname, port } = new URL(url);
  const socket = await open(ca, { host: hostname, port: Number(port) }, ["h2"]);
  return http2Connect(url, { createConnection: () => socket });
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer): Promise<Told> {
  const stream = session.request(headers);
  stream.end(body);
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

const bytesOf = (text: string) => Buffer.from(text);
const textOf = (bytes: Buffer) => bytes.toString();

function grpcTo(url: string): GrpcClient {
  const { hostname, port } = new URL(url);
  return new GrpcClient(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca)), {
    "grpc.ssl_target_name_override": hostname,
    "grpc.default_authority": hostname,
  });
}

function unary(client: GrpcClient, asked: Metadata, text: string) {
  return new Promise<{ text: string; trailers: Metadata }>((resolve, reject) => {
    let answered = "";
    const options = { deadline: Date.now() + startLimitMs };
    const call = client.makeUnaryRequest("/test.Echo/Unary", bytesOf, textOf, text, asked, options, (error, value) => {
      if (error) reject(error);
      else answered = value ?? "";
    });
    call.on("status", ({ metadata: trailers }) => resolve({ text: answered, trailers }));
  });
}

/** Says each piece once the one before is answered, and reads until the other side ends. */
async function conversation(url: string, pieces: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = await open(ca, { host: hostname, port: Number(port) });
  let heard = "";
  socket.on("data", (bytes) => {
    heard += bytes;
  });
  const over = once(socket, "end");
  for (const [index, piece] of pieces.entries()) {
    socket.write(piece);
    await until(`answer ${index + 1} comes`, () => heard.split("HTTP/1.1 ").length > index + 1);
  }
  await over;
  socket.destroy();
  return heard;
}

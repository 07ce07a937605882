import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket, connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, createSecureContext, type TLSSocket } from "node:tls";
import { Worker } from "node:worker_threads";
import { Authority } from "../../src/certificates/authority.ts";
import { sealGrant } from "../../src/tunnels/connect-token.ts";
import { GatewayLink } from "../../src/tunnels/gateway-link.ts";
import type { GatewayStart, Plan } from "../../src/tunnels/gateway-messages.ts";
import { labelOf, tunnelKey } from "../../src/tunnels/labels.ts";

const key = tunnelKey(Buffer.alloc(32, 1));
const limitMs = 60_000;

/** A gateway in a thread of its own, before services of this process in place of those of sandboxes. */
async function gateway(t: TestContext, limits: { maxConnections?: number; maxSandboxConnections?: number } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "atoll-gateway-"));
  t.after(() => rm(directory, { recursive: true }));
  const options = { commonName: "test", permitted: ["localhost"] };
  const secureContext = createSecureContext({ ca: Authority.in(directory, options).certificate });
  const config = { host: "127.0.0.1", port: 0, domain: "localhost", maxConnections: 8000, maxSandboxConnections: 4000 };
  const workerData: GatewayStart = { config: { ...config, ...limits }, key, authority: { directory, options } };
  const threads: Worker[] = [];
  const warnings: string[] = [];
  const counts = new Map<string, number>();
  const link = new GatewayLink({
    startThread: () => {
      const thread = new Worker(new URL("../../src/tunnels/gateway-thread.ts", import.meta.url), { workerData });
      threads.push(thread);
      return thread;
    },
    onConnections: (sandboxId, count) => counts.set(sandboxId, count),
    onWarning: (warning) => warnings.push(warning),
  });
  t.after(() => link.close());
  await link.listen(0);
  const connected = (sandboxId: string, port: number) => connectedTo(labelOf(key, sandboxId, port));
  const connectedTo = async (label: string): Promise<TLSSocket> => {
    const servername = `${label}.localhost`;
    const socket = connect({ host: "127.0.0.1", port: link.port, servername, secureContext });
    t.after(() => socket.destroy());
    socket.on("error", () => socket.destroy());
    await once(socket, "secureConnect");
    return socket;
  };
  return { link, threads, warnings, counts, connected, connectedTo };
}

/** Sends back what comes. @returns its port */
const echo = (t: TestContext) => service(t, (socket) => socket.pipe(socket));
/** Takes what comes, and never answers. @returns its port */
const silence = (t: TestContext) => service(t, (socket) => socket.resume());

async function service(t: TestContext, act: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => act(socket.on("error", () => socket.destroy())));
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 });
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

function planFor(sandboxId: string, port: number): Plan {
  const tunnels = [{ label: labelOf(key, sandboxId, port), port }];
  return {
    sandboxId,
    address: "127.0.0.1",
    isBlocked: false,
    tunnels,
    h2Ports: [],
    door: labelOf(key, sandboxId, undefined),
  };
}

async function answered(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = await once(socket, "data");
  return String(bytes);
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await isTrue()); await new Promise((next) => setTimeout(next, 20)))
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
}

test("500 tunnels hold 2,000 open connections, each of which answers and is counted until it closes", async (t) => {
  const { link, counts, connected } = await gateway(t);
  const port = await echo(t);
  const ids = Array.from({ length: 500 }, (_, index) => `sb-${index}`);
  await Promise.all(ids.map((id) => link.open(planFor(id, port))));
  const sockets: TLSSocket[] = [];
  for (let round = 0; round < 40; round += 1) {
    const some = ids.slice((round * 50) % 500, ((round * 50) % 500) + 50);
    sockets.push(...(await Promise.all(some.map((id) => connected(id, port)))));
  }
  const answers = await Promise.all(sockets.map((socket, index) => answered(socket, `number ${index}`)));
  assert.deepEqual(
    answers,
    sockets.map((_, index) => `number ${index}`),
  );
  await until("all are counted", () => counts.size === 500 && [...counts.values()].every((count) => count === 4));
  const { open, accepted, receivedBytes, sentBytes } = await link.figures();
  assert.deepEqual([open, accepted], [2000, 2000]);
  assert.ok(receivedBytes > 0 && sentBytes > 0);
  for (const socket of sockets) socket.destroy();
  await until("none is counted", () => [...counts.values()].every((count) => count === 0));
});

test("a connection beyond the limit of its sandbox, or of all, is told so, and there is room again once another ends", async (t) => {
  const { link, connected } = await gateway(t, { maxConnections: 3, maxSandboxConnections: 2 });
  const port = await echo(t);
  for (const id of ["sb-1", "sb-2"]) await link.open(planFor(id, port));
  const request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
  const held = [await connected("sb-1", port), await connected("sb-1", port)];
  for (const socket of held) assert.equal(await answered(socket, "here"), "here");
  const third = await connected("sb-1", port);
  assert.match(await answered(third, request), /^HTTP\/1.1 503 [\s\S]*this sandbox: 2 are open, which is the limit/);
  third.destroy();
  await until("the refused one is gone", async () => (await link.figures()).open === 2);
  const another = await connected("sb-2", port);
  assert.equal(await answered(another, "here too"), "here too");
  const fourth = await connected("sb-2", port);
  assert.match(await answered(fourth, request), /^HTTP\/1.1 503 [\s\S]*this server: 3 are open, which is the limit/);
  fourth.destroy();
  for (const socket of held) socket.destroy();
  await until("there is room", async () => (await link.figures()).open === 1);
  assert.equal(await answered(await connected("sb-1", port), "again"), "again");
  assert.equal((await link.figures()).refused.limit, 2);
});

test("a sandbox that is over takes its connections and its ports along, and leaves those of others alone", async (t) => {
  const { link, counts, connected } = await gateway(t);
  const port = await echo(t);
  for (const id of ["sb-1", "sb-2"]) await link.open(planFor(id, port));
  const plainPort = await link.openPlain("sb-1", port, 0);
  const [over, other] = [await connected("sb-1", port), await connected("sb-2", port)];
  for (const socket of [over, other]) assert.equal(await answered(socket, "here"), "here");
  const closed = new Promise((resolve) => over.once("close", resolve));
  link.shut("sb-1");
  await closed;
  assert.equal(await answered(other, "still here"), "still here");
  await until("the port is closed", async () => {
    const socket = tcpConnect(plainPort, "127.0.0.1");
    const [failed] = await Promise.race([once(socket, "connect"), once(socket, "error").then(() => [true])]).catch(
      () => [true],
    );
    socket.destroy();
    return failed === true;
  });
  await until("it is counted", () => counts.get("sb-1") === 0 && counts.get("sb-2") === 1);
});

test("a client of a door counts from when it shows a token on", async (t) => {
  const { link, counts, connectedTo } = await gateway(t);
  const port = await silence(t);
  const plan = planFor("sb-1", port);
  await link.open(plan);
  const door = `${plan.door}-${port}`;
  const [stranger, guest] = [await connectedTo(door), await connectedTo(door)];
  const token = sealGrant(key, { sandboxId: "sb-1", port, expiresAt: Date.now() + limitMs });
  guest.write(`GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`);
  await until("the guest is counted", () => counts.get("sb-1") === 1);
  assert.match(await answered(stranger, "GET / HTTP/1.1\r\nhost: x\r\n\r\n"), /^HTTP\/1.1 401 /);
  guest.destroy();
  await until("nobody is counted", () => counts.get("sb-1") === 0);
});

test("a gateway whose thread has failed is started again under the same addresses", async (t) => {
  const { link, threads, warnings, counts, connected } = await gateway(t);
  const port = await echo(t);
  await link.open(planFor("sb-1", port));
  const [tlsPort, plainPort] = [link.port, await link.openPlain("sb-1", port, 0)];
  const before = await connected("sb-1", port);
  assert.equal(await answered(before, "before"), "before");
  await until("it is counted", () => counts.get("sb-1") === 1);
  await threads[0]?.terminate();
  await until("it is counted no more", () => counts.get("sb-1") === 0);
  await link.open(planFor("sb-2", port));
  assert.equal(link.port, tlsPort);
  assert.equal(await link.openPlain("sb-1", port, 0), plainPort);
  for (const id of ["sb-1", "sb-2"]) assert.equal(await answered(await connected(id, port), id), id);
  assert.deepEqual(warnings, ["the gateway of tunnels failed and is started again"]);
});

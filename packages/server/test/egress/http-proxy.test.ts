/** The proxy between a client and servers that do not keep to HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { test } from "node:test";
import { Clients } from "../../src/egress/clients.ts";
import { Door } from "../../src/egress/door.ts";
import type { Forbidden } from "../../src/egress/forbidden.ts";
import { HttpProxy } from "../../src/egress/http-proxy.ts";
import { Journal } from "../../src/egress/journal.ts";

const port = async (server: Server) => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
};

/** What a client of the proxy gets when the server answers with this and closes the connection. */
async function passed(answer: string, request = ""): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(answer, "latin1"));
  });
  const clients = new Clients();
  clients.set("sandbox", { domains: ["server.test"], intervals: [], rules: [] });
  const journal = new Journal();
  const door = new Door({
    clients,
    journal,
    lookup: async () => ({ state: "found", addresses: ["127.0.0.1"], ttlSeconds: 1 }),
    forbidden: { isForbidden: () => false } as Partial<Forbidden> as Forbidden,
  });
  const proxy = new HttpProxy(door, async () => undefined);
  const to = await port(server);
  const front = createServer({ allowHalfOpen: true }, (socket) =>
    proxy.serve({ socket, address: "sandbox", port: 3128, names: new Set() }),
  );
  const client = connect(await port(front), "127.0.0.1");
  client.end(`GET http://server.test:${to}/ HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n${request}\r\n`);
  let text = "";
  client.setEncoding("latin1").on("data", (more) => {
    text += more;
  });
  await once(client, "close");
  for (const each of [server, front]) each.close();
  return text;
}

test("an answer passes, without what is for one connection alone", async () => {
  const text = await passed("HTTP/1.1 203 Fine\r\nConnection: x-mine, close\r\nX-Mine: 1\r\nX-Kept: 2\r\n\r\nbody");
  assert.match(text, /^HTTP\/1.1 203 Fine\r\nx-kept: 2\r\n/);
  assert.match(text, /body/);
  assert.doesNotMatch(text, /x-mine/i);
});

test("what is no answer is said to be none, and the next request is served", async () => {
  const wrong = [
    "",
    "HTTP/1.1 099 Low\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
    "220 mail.test ESMTP\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
  ];
  for (const answer of wrong) assert.match(await passed(answer), /^HTTP\/1.1 502 /, answer.slice(0, 60));
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  for (const answer of wrong)
    assert.doesNotMatch(await passed(answer, upgrade), /^HTTP\/1.1 [123]/, answer.slice(0, 60));
  assert.match(await passed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), /^HTTP\/1.1 200 OK[\s\S]*ok$/);
});

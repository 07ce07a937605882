import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as http2Connect } from "node:http2";
import { createServer, connect as tcpConnect } from "node:net";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultClient, InvalidError, Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { daemon, until } from "../support/daemon.ts";
import { daemonPid, eachIsolation, newSandbox, sharedSandbox } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";
import { authorityOf, get, open } from "./client.ts";

useServer();

/** Echoes on 9000, answers HTTP with the request's head on 8000, and speaks without end on 9001. */
const services = `
import http.server, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.path + "\\n" + str(self.headers)).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *rest): pass
threading.Thread(target=http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever, daemon=True).start()
def serve(port, act):
    server = socket.create_server(("0.0.0.0", port), backlog=512)
    def loop():
        while True: threading.Thread(target=act, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
def echo(peer):
    while data := peer.recv(65536): peer.sendall(data)
    peer.sendall(b"end"); peer.close()
def flood(peer):
    while True: peer.sendall(b"x" * 65536)
serve(9000, echo); serve(9001, flood)
print("up", flush=True); threading.Event().wait()
`;
const ports = { encryptedPorts: [8000, 9001, 7000], h2Ports: [8443], unencryptedPorts: [9000] };
let ca = "";
before(async () => {
  ca = await authorityOf(defaultClient());
});

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation, ...ports });
  const tunnel = async (port: number) => {
    const found = (await sandbox().tunnels())[port];
    if (!found) throw new Error(`port ${port} has a tunnel`);
    return found;
  };

  test("services start in the sandbox", async () => {
    const process = await sandbox().exec("python3", "-c", services);
    for await (const line of process.stdout) if (line === "up") break;
  });

  test("blocking the network ends the tunnels' connections and lets nobody in, until it is open again", async () => {
    const [plainHost, plainPort] = (await tunnel(9000)).tcpSocket;
    const inside = tcpConnect(plainPort, plainHost);
    inside.on("error", () => undefined);
    inside.write("ping");
    assert.equal(String((await once(inside, "data"))[0]), "ping");
    const ended = once(inside, "close");
    await sandbox().updateNetworkPolicy({ blockNetwork: true });
    await ended;
    const page = await get(ca, (await tunnel(8000)).url);
    assert.equal(page.status, 403);
    assert.match(page.text, /its network is blocked/);
    const late = tcpConnect(plainPort, plainHost);
    late.on("error", () => undefined);
    await once(late, "close");
    await sandbox().updateNetworkPolicy({});
    assert.equal((await get(ca, (await tunnel(8000)).url)).status, 200);
  });

  test("a page is fetched through a tunnel, whose name nobody can guess", async () => {
    const { url, host, port, tlsSocket } = await tunnel(8000);
    assert.match(host, /^[a-z2-7]{26}\.localhost$/);
    assert.equal(url, `https://${host}:${port}`);
    assert.deepEqual(tlsSocket, [host, port]);
    const answer = await get(ca, `${url}/a/b?c=d`);
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^\/a\/b\?c=d\n/);
    const guessed = host.replace(/^./, (first) => (first === "a" ? "b" : "a"));
    assert.equal((await get(ca, url.replace(host, guessed))).status, 404);
  });

  test("raw bytes pass untouched both ways, over TLS and over plain TCP, and each side may end first", async () => {
    const echo = await tunnel(9000);
    const plain = tcpConnect({ host: echo.tcpSocket[0], port: echo.tcpSocket[1], allowHalfOpen: true });
    const sent = Buffer.alloc(1_000_000, "0123456789\r\n\0");
    for (const socket of [await open(ca, echo, ["acme/1"]), plain]) {
      socket.end(sent);
      const parts: Buffer[] = [];
      for await (const part of socket) parts.push(part);
      assert.ok(Buffer.concat(parts).equals(Buffer.concat([sent, Buffer.from("end")])));
    }
    const encrypted = await tunnel(8000);
    assert.throws(() => encrypted.tcpSocket, InvalidError);
  });

  test("a port where nothing listens yet says so, and works the moment something does", async () => {
    const { url, host, port } = await tunnel(7000);
    const early = await get(ca, url, { accept: "text/html" });
    assert.equal(early.status, 502);
    assert.match(early.text, /nothing listens/);
    const raw = await open(ca, { host, port });
    raw.write("\0not http");
    raw.resume();
    await once(raw, "end");
    const pending = get(ca, `${url}/late`);
    await sleep(300);
    await sandbox().exec("python3", "-m", "http.server", "7000", "--bind", "0.0.0.0");
    await until("the service answers", async () => (await get(ca, url)).status === 200);
    assert.ok([404, 502].includes((await pending).status));
  });

  test("an h2 port is offered as h2", async () => {
    const h2 = await tunnel(8443);
    const socket = await open(ca, h2, ["h2", "http/1.1"]);
    assert.equal(socket.alpnProtocol, "h2");
    const session = http2Connect(h2.url, { createConnection: () => socket });
    const stream = session.request({ ":path": "/" });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], 502);
    session.destroy();
    const other = await open(ca, await tunnel(8000), ["h2", "http/1.1"]);
    assert.equal(other.alpnProtocol, "http/1.1");
    other.destroy();
  });

  test("what a slow client does not read is not kept, and delays nobody", async () => {
    const flood = await tunnel(9001);
    const { url } = await tunnel(8000);
    const before = residentBytes();
    const slow = await Promise.all(Array.from({ length: 40 }, () => open(ca, flood)));
    for (const socket of slow) socket.pause();
    await sleep(1500);
    assert.equal((await get(ca, url)).status, 200);
    const grown = residentBytes() - before;
    for (const socket of slow) socket.destroy();
    assert.ok(grown < 200 * 1024 ** 2, `the server grew by ${grown} bytes`);
  });

  test("a connect token opens a port to its bearer, and nothing else does", async () => {
    const { url, token } = await sandbox().createConnectToken({
      port: 8000,
      userMetadata: { user: "Zoë" },
      ttlMs: 60_000,
    });
    assert.equal((await get(ca, url)).status, 401);
    assert.equal((await get(ca, url, { authorization: `Bearer ${token}x` })).status, 401);
    const forged = { "x-verified-user-data": "root", x_verified_user_data: "root" };
    const answer = await get(ca, `${url}/p?a=1`, { authorization: `Bearer ${token}`, ...forged });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^\/p\?a=1\n/);
    assert.match(answer.text, /x-verified-user-data: \{"user":"Zo\\u00eb"\}/i);
    assert.doesNotMatch(answer.text, /root|Bearer/);
    for (const name of ["_atoll_connect_token", "_modal_connect_token"]) {
      const inQuery = await get(ca, `${url}/p?a=1&${name}=${token}`);
      assert.match(inQuery.text, /^\/p\?a=1\n/);
      const [cookie = ""] = [inQuery.headers["set-cookie"] ?? ""].flat();
      const inCookie = await get(ca, url, { cookie: `x=1; ${cookie.split(";")[0]}` });
      assert.match(inCookie.text, /cookie: x=1\r?\n/i);
      assert.doesNotMatch(inCookie.text, /connect_token/);
    }
    const other = await sandbox().createConnectToken({ port: 7000 });
    assert.equal((await get(ca, url, { authorization: `Bearer ${other.token}` })).status, 401);
  });

  test("only addresses of the allowlist come in", async () => {
    await using closed = await newSandbox({ isolation, ...ports, inboundCidrAllowlist: ["192.0.2.0/24"] });
    await using opened = await newSandbox({ isolation, ...ports, inboundCidrAllowlist: ["127.0.0.0/8"] });
    const [shut, let_] = [(await closed.tunnels())[8000], (await opened.tunnels())[8000]];
    assert.equal((await get(ca, shut?.url ?? "")).status, 403);
    assert.equal((await get(ca, let_?.url ?? "")).status, 502);
    const token = await closed.createConnectToken({ port: 8000 });
    assert.equal((await get(ca, token.url, { authorization: `Bearer ${token.token}` })).status, 403);
    const [host, port] = (await closed.tunnels())[9000]?.tcpSocket ?? ["", 0];
    const plain = tcpConnect({ host, port });
    plain.on("error", () => plain.destroy());
    await once(plain, "close");
    assert.equal(plain.bytesRead, 0);
  });

  test("a connection keeps a sandbox from being idle, until it ends", async () => {
    const idle = await Sandbox.create(["python3", "-c", services], { isolation, ...ports, idleTimeoutMs: 3000 });
    for await (const line of idle.stdout) if (line === "up") break;
    const { host, port } = (await idle.tunnels())[9000] ?? { host: "", port: 0 };
    const socket = await open(ca, { host, port });
    await sleep(5000);
    assert.equal(await idle.poll(), null);
    socket.destroy();
    await assert.rejects(idle.wait(), /idle/);
  });
});

test("ports that cannot be opened are refused by name before anything starts", async () => {
  const refused = async (options: SandboxCreateOptions, pattern: RegExp) =>
    assert.rejects(Sandbox.create(options), (error) => error instanceof InvalidError && pattern.test(error.message));
  await refused({ encryptedPorts: [80], h2Ports: [80] }, /port 80 of h2Ports: it is in encryptedPorts/);
  await refused({ encryptedPorts: [80, 80] }, /port 80 of encryptedPorts: it is twice/);
  await refused({ encryptedPorts: [70_000] }, /encryptedPorts/);
  await refused({ unencryptedPorts: [22], blockNetwork: true }, /port 22 of unencryptedPorts: blockNetwork/);
  await refused(
    { encryptedPorts: [80], inboundCidrAllowlist: ["10.0.0.0/40"] },
    /"10.0.0.0\/40" in inboundCidrAllowlist/,
  );
});

test("tunnels and tokens come back under the same addresses when the server was killed", async (t) => {
  const own = await daemon(t);
  const { client } = own;
  const argv = ["python3", "-m", "http.server", "8000", "--bind", "0.0.0.0"];
  const sandbox = await Sandbox.create(argv, { client, encryptedPorts: [8000], unencryptedPorts: [9000] });
  const authority = await authorityOf(client);
  const earlier = JSON.stringify(await sandbox.tunnels());
  const token = await sandbox.createConnectToken({ port: 8000 });
  await own.kill();
  await own.start();
  assert.equal(JSON.stringify(await sandbox.tunnels()), earlier);
  const url = (await sandbox.tunnels())[8000]?.url ?? "";
  await until("the tunnel answers", async () => (await get(authority, url)).status === 200);
  assert.equal((await get(authority, token.url, { authorization: `Bearer ${token.token}` })).status, 200);
});

test("a sandbox lives on when another program has its port after a restart, and the port opens once it is free", async (t) => {
  const own = await daemon(t);
  const argv = ["python3", "-m", "http.server", "8000", "--bind", "0.0.0.0"];
  const sandbox = await Sandbox.create(argv, { client: own.client, unencryptedPorts: [8000] });
  const [host, port] = (await sandbox.tunnels())[8000]?.tcpSocket ?? ["", 0];
  await own.kill();
  const other = createServer((socket) => socket.destroy()).listen(port, host);
  t.after(() => other.close());
  await once(other, "listening");
  await own.start();
  assert.equal(await sandbox.poll(), null);
  other.close();
  await until("the port answers", async () => {
    const answer = await fetch(`http://${host}:${port}/`).catch(() => undefined);
    return answer?.status === 200;
  });
});

test("metrics count connections, what they carry, and what is refused", async () => {
  const headers = { authorization: `Bearer ${process.env.ATOLL_TOKEN}` };
  const count = async (name: string) => {
    const text = await (await fetch(`${process.env.ATOLL_URL}/metrics`, { headers })).text();
    return Number(new RegExp(`^${RegExp.escape(name)} (\\S+)$`, "m").exec(text)?.[1]);
  };
  await using sandbox = await newSandbox(ports);
  const { url = "" } = (await sandbox.tunnels())[8000] ?? {};
  const [connections, refused] = ["atoll_tunnel_connections_total", 'atoll_tunnel_refused_total{reason="unknown"}'];
  const [before, refusedBefore] = [await count(connections), await count(refused)];
  assert.equal((await get(ca, url.replace(/\w{26}/, "a".repeat(26)))).status, 404);
  assert.ok((await count(connections)) > before);
  assert.ok((await count(refused)) > refusedBefore);
  assert.ok((await count("atoll_tunnel_sent_bytes_total")) > 0);
});

function residentBytes(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemonPid()}/status`, "utf8"))?.[1]) * 1024;
}

/** What a sandbox reaches by name, against a site with a name server and web servers of its own. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { type Daemon, openDaemon, until } from "../support/daemon.ts";
import { eachIsolation, isolationLevels, python, shell } from "../support/isolation.ts";
import { openSite, type Site } from "../support/site.ts";

/** Another address that the site answers at. */
const elsewhere = "203.0.113.79";
const proxy = "http://169.254.1.1:3128";
const allowed = [
  "api.example.com",
  "*.wild.test",
  "loop.test",
  "metadata.test",
  "private.test",
  "host.test",
  "*.rebinding.test",
];

let site: Site;
let server: Daemon;
before(async () => {
  site = await openSite(
    (address, hostAddress) => ({
      "api.example.com": [[address]],
      "a.wild.test": [[address]],
      "wild.test": [[address]],
      "other.test": [[address]],
      "loop.test": [["127.0.0.1"]],
      "metadata.test": [["169.254.169.254"]],
      "private.test": [["10.9.8.7"]],
      "host.test": [[hostAddress]],
      ...Object.fromEntries(isolationLevels.map((level) => [`${level}.rebinding.test`, [[address], ["127.0.0.1"]]])),
    }),
    [elsewhere],
  );
  server = await openDaemon({ ATOLL_NAME_SERVERS: site.address, ATOLL_POOL: "0" });
});
after(async () => {
  await server?.remove();
  await site?.stop();
});

/** Connections that say nothing, a byte now and then, and more than anybody wants to hear: how each is ended, with a minute at most. */
function slowProgram(address: string): string {
  return `
import socket, threading, time
def attempt(port, first, drip):
    peer = socket.create_connection(("${address}", port), 60)
    try:
        peer.sendall(first)
        for _ in range(60):
            peer.settimeout(1)
            try:
                while peer.recv(65536): pass
                return "ended"
            except TimeoutError: peer.sendall(drip)
        return "open"
    except OSError: return "ended"
cases = {
    "nothing": (443, b"", b""),
    "hello": (443, bytes([22, 3, 1, 2, 0, 1, 0, 1, 252]), b"\\0"),
    "head": (80, b"GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\n", b"x: y\\r\\n"),
    "huge": (443, bytes([22, 3, 1, 64, 0, 1, 255, 255, 255]) + bytes(65536), bytes(65536)),
}
results = {}
threads = [threading.Thread(target=lambda name=name: results.update({name: attempt(*cases[name])})) for name in cases]
for thread in threads: thread.start()
for thread in threads: thread.join()
for name in cases: print(name, results[name])`;
}

eachIsolation((isolation) => {
  let sandbox: Sandbox;
  let slow: ReturnType<Sandbox["exec"]>;
  before(async () => {
    sandbox = await Sandbox.create({
      client: server.client,
      isolation,
      outboundDomainAllowlist: allowed,
      timeoutMs: 600_000,
    });
    await sandbox.fs.writeText("/tmp/ca.pem", site.authority);
    slow = sandbox.exec("python3", "-c", slowProgram(site.address));
  });
  after(() => sandbox?.terminate());

  /** The exit code of curl and what the server answered. */
  async function curl(...argv: readonly string[]): Promise<{ code: number; body: string; stderr: string }> {
    const words = ["curl", "-sS", "--max-time", "60", "--cacert", "/tmp/ca.pem", ...argv];
    const done = await shell(sandbox, words.map((word) => `'${word}'`).join(" "));
    return { code: done.returncode, body: done.stdout, stderr: done.stderr };
  }

  async function answered(...argv: readonly string[]) {
    const { code, body, stderr } = await curl(...argv);
    assert.equal(code, 0, stderr);
    return JSON.parse(body);
  }

  /** Sends the text to a port of an address and answers what came back until the other side closed. */
  async function raw(address: string, port: number, text: string): Promise<string> {
    const done = await python(
      sandbox,
      `
import socket
peer = socket.create_connection((${JSON.stringify(address)}, ${port}), 60)
try:
    peer.sendall(${JSON.stringify(text)}.encode()); peer.shutdown(socket.SHUT_WR)
    while data := peer.recv(65536): print(data.decode("latin1"), end="")
except OSError as error: print(error)`,
    );
    return done.stdout;
  }

  const heardOf = (part: string) => site.heard.filter((heard) => JSON.stringify(heard).includes(part));

  test("names that are allowed have addresses, and no other name is ever asked for", async () => {
    const addressOf = async (name: string) =>
      (await shell(sandbox, `getent ahostsv4 ${name} | awk '{print $1; exit}'`)).stdout.trim();
    assert.equal(await addressOf("api.example.com"), site.address);
    assert.equal(await addressOf("A.Wild.Test"), site.address);
    for (const name of ["other.test", "wild.test", "example.com", "x.api.example.com", "loop.test", "private.test"])
      assert.equal(await addressOf(name), "", name);
    for (const name of ["other.test", "wild.test", "example.com", "x.api.example.com"])
      assert.deepEqual(heardOf(`"${name}"`), [], name);
  });

  test("another resolver than the machine's own answers nothing else", async () => {
    const { stdout } = await python(
      sandbox,
      `
import socket
def ask(name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + labels + b"\\x00\\x00" + bytes([kind]) + b"\\x00\\x01"
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.settimeout(30)
    udp.sendto(query, ("${elsewhere}", 53)); answer = udp.recv(512)
    tcp = socket.create_connection(("${elsewhere}", 53), 30)
    tcp.sendall(len(query).to_bytes(2, "big") + query); tcp.recv(2)
    return answer[3] & 15, answer[7], tcp.recv(512) == answer
print(ask("api.example.com", 1), ask("c2VjcmV0.other.test", 16), ask("a.wild.test", 16))`,
    );
    assert.equal(stdout, "(0, 1, True) (3, 0, True) (0, 0, True)\n");
    assert.deepEqual(heardOf("c2VjcmV0"), []);
  });

  test("TLS is let out by its server name, and verified from end to end", async () => {
    assert.equal((await answered("https://api.example.com/one")).servername, "api.example.com");
    assert.equal((await answered("https://a.wild.test/")).servername, "a.wild.test");
  });

  test("HTTP is let out by its host, request by request", async () => {
    const { url, headers } = await answered("-H", "x-kept: yes", "-d", "body", "http://api.example.com/two?q=1");
    assert.deepEqual([url, headers["x-kept"], headers.host], ["/two?q=1", "yes", "api.example.com"]);
    const refused = await curl(
      "-w",
      "%{http_code}",
      "--resolve",
      `other.test:80:${site.address}`,
      "http://other.test/",
    );
    assert.match(
      refused.body,
      /cannot reach other.test: it is not in the sandbox's outboundDomainAllowlist[\s\S]*403$/,
    );
    assert.deepEqual(heardOf("other.test"), []);
  });

  test("a proxy asked for by name serves HTTP and CONNECT, on other ports too", async () => {
    assert.equal((await answered("-x", proxy, "http://api.example.com/")).headers.host, "api.example.com");
    assert.equal((await answered("-p", "-x", proxy, "http://api.example.com/")).headers.host, "api.example.com");
    assert.equal((await answered("-x", proxy, "https://api.example.com:8443/")).servername, "api.example.com");
    for (const [to, code] of [
      ["https://other.test/", 56],
      [`https://${site.address}/`, 56],
    ] as const)
      assert.equal((await curl("-x", proxy, to)).code, code, to);
    assert.match(
      await raw(site.address, 80, "CONNECT api.example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n"),
      /^HTTP\/1.1 405/,
    );
    assert.deepEqual(heardOf("other.test"), []);
  });

  test("an address is not a name: neither TLS nor HTTP nor another port nor UDP gets to it", async () => {
    assert.equal((await curl("-k", `https://${site.address}/`)).code, 35);
    assert.match((await curl(`http://${site.address}/direct`)).body, /only names are allowed/);
    assert.equal((await curl("-k", "--connect-timeout", "20", `https://${site.address}:8443/`)).code, 7);
    assert.match((await curl("-H", `Host: ${site.address}`, "http://api.example.com/direct")).body, /only names/);
    const { stdout } = await python(
      sandbox,
      `
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.settimeout(3); udp.connect(("${site.address}", 443))
try: udp.send(b"x"); udp.recv(1); print("reached")
except OSError: print("refused")`,
    );
    assert.equal(stdout, "refused\n");
    assert.deepEqual(heardOf("/direct"), []);
  });

  test("a forged server name does not lead to another address, and a hidden or missing one leads nowhere", async () => {
    const { at } = await answered("--resolve", `api.example.com:443:${elsewhere}`, "https://api.example.com/forged");
    assert.equal(at, site.address);
    const other = await curl("-k", "--resolve", `other.test:443:${site.address}`, "https://other.test/");
    assert.deepEqual([other.code, /alert|access denied/i.test(other.stderr)], [35, true], other.stderr);
    const fronted = await curl(
      "-x",
      proxy,
      "--connect-to",
      "a.wild.test:443:api.example.com:443",
      "https://a.wild.test/",
    );
    assert.equal(fronted.code, 35, fronted.stderr);
  });

  test("a name that leads to loopback, metadata, private networks or the machine is refused, when it turns there later too", async () => {
    for (const name of ["loop.test", "metadata.test", "private.test", "host.test"]) {
      assert.match(
        (await curl("--resolve", `${name}:80:${site.address}`, `http://${name}/`)).body,
        /^cannot reach/,
        name,
      );
      assert.equal((await curl("-k", "--resolve", `${name}:443:${site.address}`, `https://${name}/`)).code, 35, name);
    }
    const turning = `${isolation}.rebinding.test`;
    const ask = () => curl("--resolve", `${turning}:80:${site.address}`, `http://${turning}/`);
    assert.match((await ask()).body, /"host"/);
    await until("the name has turned to loopback", async () => !(await ask()).body.includes('"host"'));
    assert.match((await ask()).body, /its addresses are private/);
  });

  test("no request is smuggled past the check by another one, a second Host, or two lengths", async () => {
    const good = "GET /good HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    const bad = "GET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n";
    const pipelined = await raw(site.address, 80, good + good + bad + good);
    assert.equal(pipelined.split("HTTP/1.1 200").length - 1, 2, pipelined);
    assert.match(pipelined, /HTTP\/1.1 403/);
    const twice = "GET /smuggled HTTP/1.1\r\nHost: api.example.com\r\nHost: other.test\r\n\r\n";
    assert.match(await raw(site.address, 80, twice), /^HTTP\/1.1 400/);
    const absolute = "GET http://other.test/smuggled HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    assert.match(await raw(site.address, 80, absolute), /^HTTP\/1.1 403/);
    const lengths = `POST /good HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${bad}`;
    assert.match(await raw(site.address, 80, lengths), /^HTTP\/1.1 400/);
    const upgrade = `GET /upgraded HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n${bad}`;
    const upgraded = await raw(site.address, 80, upgrade);
    assert.doesNotMatch(upgraded, /101 Switching/);
    assert.deepEqual(heardOf("/smuggled"), []);
  });

  test("a WebSocket passes, and large answers do, as fast as the reader takes them", async () => {
    const socket = await raw(
      site.address,
      80,
      "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    );
    assert.match(socket, /^HTTP\/1.1 101 [\s\S]*hello$/);
    for (const scheme of ["http", "https"]) {
      const { stdout } = await shell(sandbox, `curl -sS --cacert /tmp/ca.pem ${scheme}://api.example.com/big | wc -c`);
      assert.equal(Number(stdout), 32 * 1024 * 1024);
    }
  });

  test("what begins and never gets on is ended, and a ClientHello without an end is", async () => {
    assert.equal(await (await slow).stdout.read(), "nothing ended\nhello ended\nhead ended\nhuge ended\n");
  });

  test("a sandbox has its share of connections, and another one is not kept from its own", async () => {
    const holder = await sandbox.exec(
      "python3",
      "-uc",
      `
import socket
held = []
def holds():
    try:
        peer = socket.create_connection(("${site.address}", 80), 60)
        peer.sendall(b"GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
        held.append(peer)
        return peer.recv(1) == b"H"
    except OSError: return False
print(sum(holds() for _ in range(540)))
input()`,
    );
    const count = Number((await holder.stdout[Symbol.asyncIterator]().next()).value);
    assert.ok(count > 480 && count <= 512, `${count}`);
    await using other = await Sandbox.create({ client: server.client, isolation, outboundDomainAllowlist: allowed });
    assert.equal((await shell(other, "curl -sS -o /dev/null http://api.example.com/")).stderr, "");
    holder.stdin.writeEof();
    await holder.stdin.drain();
    await holder.wait({ raiseOnTermination: false });
  });

  test("a change of the policy ends open connections to names that it does not allow, and leaves the others", async () => {
    await using changing = await Sandbox.create({
      client: server.client,
      isolation,
      outboundDomainAllowlist: ["api.example.com", "a.wild.test"],
    });
    const plain = await openConnection(changing, 80, "api.example.com");
    const encrypted = await openConnection(changing, 443, "a.wild.test");
    const both = async () => [await plain(), await encrypted()];
    assert.deepEqual(await both(), ["alive", "alive"]);
    await changing.updateNetworkPolicy({ outboundDomainAllowlist: ["*.wild.test"] });
    assert.deepEqual(await both(), ["cut", "alive"]);
    await changing.updateNetworkPolicy({});
    assert.equal(await encrypted(), "alive");
    await changing.updateNetworkPolicy({ blockNetwork: true });
    assert.equal(await encrypted(), "cut");
    await changing.updateNetworkPolicy({
      outboundCidrAllowlist: [`${elsewhere}/32`],
      outboundDomainAllowlist: allowed,
    });
    const direct = await shell(changing, `curl -sS http://${elsewhere}/; curl -sS http://api.example.com/`);
    const reached = direct.stdout.split("}{").map((text) => /"at":"([^"]*)"/.exec(text)?.[1]);
    assert.deepEqual(reached, [elsewhere, site.address], direct.stderr);
  });

  test("the log says what was reached, with how many bytes, and what was refused and why, after the end too", async () => {
    await using logged = await Sandbox.create({
      client: server.client,
      isolation,
      outboundDomainAllowlist: ["api.example.com"],
    });
    await shell(
      logged,
      `curl -sSk https://api.example.com/big | wc -c; curl -sS http://other.test/; curl -sSk https://other.test/
       curl -sS http://${site.address}/; curl -sS --resolve other.test:80:${site.address} http://other.test/`,
    );
    const told = async () =>
      (await logged.network.log()).map(({ destination, port, protocol, verdict, reason, address, count }) => ({
        destination: `${protocol} ${destination}:${port} ${verdict} ${count}`,
        address,
        reason,
      }));
    const unlisted = "cannot reach other.test: it is not in the sandbox's outboundDomainAllowlist";
    const expected = [
      { destination: "dns other.test:53 refused 4", address: undefined, reason: unlisted },
      {
        destination: `tcp ${site.address}:80 refused 1`,
        address: undefined,
        reason: `cannot reach ${site.address}: only names are allowed`,
      },
      { destination: "tcp api.example.com:443 allowed 1", address: site.address, reason: undefined },
      { destination: "tcp other.test:80 refused 1", address: undefined, reason: unlisted },
    ];
    const sorted = async () => (await told()).toSorted((a, b) => (a.destination < b.destination ? -1 : 1));
    assert.deepEqual(await sorted(), expected);
    const reached = (await logged.network.log()).find(({ verdict }) => verdict === "allowed");
    assert.ok(
      (reached?.receivedBytes ?? 0) > 32 * 1024 * 1024 && (reached?.sentBytes ?? 0) > 0,
      JSON.stringify(reached),
    );
    await logged.terminate();
    assert.deepEqual(await sorted(), expected);
    const { stdout } = await server.atoll("logs", "--network", logged.id);
    assert.match(stdout, /refused +other.test:80 .* cannot reach other.test/);
    assert.deepEqual(JSON.parse((await server.atoll("logs", "--network", "--json", logged.id)).stdout).length, 4);
  });

  /** A connection that is held in the sandbox; says with each call whether it still carries requests and answers. */
  async function openConnection(within: Sandbox, port: number, name: string): Promise<() => Promise<string>> {
    const process = await within.exec(
      "python3",
      "-uc",
      `
import socket, ssl, sys
peer = socket.create_connection(("${name}", ${port}), 30)
if ${port} == 443:
    context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
    peer = context.wrap_socket(peer, server_hostname="${name}")
peer.settimeout(10)
print("open")
for _ in sys.stdin:
    try:
        peer.sendall(b"GET / HTTP/1.1\\r\\nHost: ${name}\\r\\n\\r\\n")
        print("alive" if peer.recv(65536) else "cut")
    except OSError: print("cut")`,
    );
    const lines = process.stdout[Symbol.asyncIterator]();
    const next = async () => String((await lines.next()).value).trim();
    assert.equal(await next(), "open");
    return async () => {
      process.stdin.write("\n");
      await process.stdin.drain();
      return next();
    };
  }
});

/** Says whenever it changes whether the site is reached, until it was, was not, and is again. */
const watchProgram = `
import time, urllib.request
def attempt():
    try: return str(urllib.request.urlopen("http://api.example.com/", timeout=30).status)
    except OSError: return "closed"
seen = []
while seen != ["200", "closed", "200"]:
    if seen[-1:] != [result := attempt()]: seen.append(result); print(result)
    time.sleep(0.1)`;

test("without the daemon nothing is reached by name, and with the next one everything is again", async () => {
  const made = await Promise.all(
    isolationLevels.map((isolation) =>
      Sandbox.create({ client: server.client, isolation, outboundDomainAllowlist: allowed, timeoutMs: 600_000 }),
    ),
  );
  const watching = await Promise.all(made.map((sandbox) => sandbox.exec("python3", "-uc", watchProgram)));
  const outputs = watching.map(({ stdout }) => stdout[Symbol.asyncIterator]());
  for (const output of outputs) assert.equal((await output.next()).value, "200");
  await server.kill();
  await server.start();
  for (const output of outputs) {
    assert.equal((await output.next()).value, "closed");
    assert.equal((await output.next()).value, "200");
  }
  for (const sandbox of made) await sandbox.terminate();
});

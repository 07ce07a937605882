/** Ports, connect tokens and network policies of the official npm client, in both families of its calls. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { before, test } from "node:test";
import { Client } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { authorityOf, get } from "../tunnels/client.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-network");

let ca = "";
before(async () => {
  ca = await authorityOf(new Client());
});

/** Answers HTTP with the request's headers on 8000 and 8080, and says hello on 9000. */
const services = `
import http.server, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(self.headers).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *rest): pass
for port in (8000, 8080):
    threading.Thread(target=http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever, daemon=True).start()
server = socket.create_server(("0.0.0.0", 9000))
print("up", flush=True)
while True:
    peer, _ = server.accept(); peer.sendall(b"hello"); peer.close()
`;

for (const family of ["1", "0"] as const) {
  const name = family === "1" ? "the second family" : "the first family";

  test(`ports are reached through tunnels, and one with a connect token alone (${name})`, async () => {
    await using client = await using(family);
    const sandbox = await client.create({
      command: ["python3", "-c", services],
      encryptedPorts: [8000],
      h2Ports: [8443],
      unencryptedPorts: [9000],
      inboundCidrAllowlist: ["127.0.0.0/8", "::1/128"],
    });
    const reader = sandbox.stdout.getReader();
    assert.match(String((await reader.read()).value), /^up/);
    const tunnels = await sandbox.tunnels();
    assert.deepEqual(Object.keys(tunnels), ["8000", "8443", "9000"]);
    assert.equal((await get(ca, tunnels[8000]?.url ?? "")).status, 200);
    const [host = "", port = 0] = tunnels[9000]?.tcpSocket ?? [];
    const socket = connect({ host, port });
    assert.equal(String((await once(socket, "data"))[0]), "hello");
    const { url, token } = await sandbox.createConnectToken({ userMetadata: "alice" });
    assert.equal((await get(ca, url)).status, 401);
    const { status, text } = await get(ca, url, { authorization: `Bearer ${token}` });
    assert.equal(status, 200);
    assert.match(text, /x-verified-user-data: alice/i);
    await assert.rejects(() => sandbox.createConnectToken({ userMetadata: "zwei\nZeilen" }), /printable ASCII/);
  });
}

test("a range of the inbound allowlist keeps others out", async () => {
  await using client = await using("1");
  const sandbox = await client.create({
    command: ["python3", "-c", services],
    unencryptedPorts: [9000],
    inboundCidrAllowlist: ["203.0.113.0/24"],
  });
  assert.match(String((await sandbox.stdout.getReader().read()).value), /^up/);
  const [host = "", port = 0] = (await sandbox.tunnels())[9000]?.tcpSocket ?? [];
  const socket = connect({ host, port });
  const got: string[] = [];
  socket.on("data", (data) => got.push(String(data))).on("error", () => socket.destroy());
  await once(socket, "close");
  assert.deepEqual(got, []);
});

for (const family of ["1", "0"] as const) {
  test(`a network policy is kept as given at the start and as changed later (family ${family})`, async () => {
    await using client = await using(family);
    const sandbox = await client.create({ outboundCidrAllowlist: ["203.0.113.0/24"] });
    const own = new Client();
    const id = sandbox.sandboxId.replace(/V2$/, "");
    const policy = async () => {
      const { blockNetwork, outboundCidrAllowlist, outboundDomainAllowlist } = await own.request("getSandbox", {
        params: { sandboxId: id },
      });
      return { blockNetwork, outboundCidrAllowlist, outboundDomainAllowlist };
    };
    const kept = (outboundCidrAllowlist: string[], outboundDomainAllowlist?: string[]) =>
      ({ blockNetwork: false, outboundCidrAllowlist, outboundDomainAllowlist }) as const;
    assert.deepEqual(await policy(), kept(["203.0.113.0/24"]));
    const cidrs = ["198.51.100.0/24", "2001:db8::/32"];
    await sandbox.updateNetworkPolicy({ outboundCidrAllowlist: cidrs, outboundDomainAllowlist: [] });
    assert.deepEqual(await policy(), kept(cidrs));
    await sandbox.updateNetworkPolicy({ outboundCidrAllowlist: [], outboundDomainAllowlist: ["*.example.com"] });
    assert.deepEqual(await policy(), kept([], ["*.example.com"]));
    await assert.rejects(
      () =>
        sandbox.updateNetworkPolicy({ outboundCidrAllowlist: [], outboundDomainAllowlist: ["https://example.com"] }),
      /invalid domain: https:\/\/example.com/,
    );
    assert.deepEqual(await policy(), kept([], ["*.example.com"]));
  });
}

test("a range and a domain that are none are refused by name", async () => {
  await using client = await using("1");
  await assert.rejects(() => client.create({ outboundCidrAllowlist: ["not-an-ip/8"] }), /Invalid CIDR: not-an-ip\/8/);
  await assert.rejects(() => client.create({ outboundDomainAllowlist: ["192.0.2.1"] }), /invalid domain: 192.0.2.1/);
  await assert.rejects(() => client.create({ inboundCidrAllowlist: ["1.2.3.4/99"] }), /Invalid CIDR/);
  await assert.rejects(() => client.create({ encryptedPorts: [80], unencryptedPorts: [80] }), /port 80/);
});

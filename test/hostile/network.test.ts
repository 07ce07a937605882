/**
 * Networks that are not the sandbox's. Listeners answer what reaches them, and every one is first reached from where nothing is in the way.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox } from "@atoll/sdk";
import { eachIsolation, hostPids, newSandbox, run, sharedSandbox, shell } from "../support/isolation.ts";
import { type Listener, listen, openPeer, type Peer } from "../support/peer.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";

useServer();
const probes = useProbes();

const metadataAddress = "169.254.169.254";
/** Another address of the peer, of a range that documentation is written with. */
const otherAddress = "203.0.113.77";
const gatewayAddress = "169.254.1.1";
const abstractName = `atoll-test-${process.pid}`;

let host: Listener;
let gateway: Listener;
let peer: Peer;
before(async () => {
  host = await listen([], abstractName);
  const launcher = readFileSync(join(process.env.ATOLL_STATE_DIR ?? "", "run/launcher.pid"), "utf8").trim();
  gateway = await listen(["nsenter", `--net=/proc/${launcher}/ns/net`]);
  peer = await openPeer([metadataAddress, otherAddress]);
});
after(async () => {
  for (const listener of [host, gateway, peer]) await listener?.stop();
});

/** All but the links of other servers and their tests, which come and go as they please. */
const hostAddresses = () =>
  Object.entries(networkInterfaces())
    .filter(([name]) => !/^(atoll[0-9a-f]{8}|peer\d+)$/.test(name) || [ownLink(), peer.link].includes(name))
    .flatMap(([name, found]) => (found ?? []).map((info) => ({ name, ...info })));

function ownLink(): string {
  const directory = process.env.ATOLL_STATE_DIR ?? "";
  return `atoll${createHash("sha256").update(directory).digest("hex").slice(0, 8)}`;
}

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });

  test("the probes are in the sandbox", () => probes.install(sandbox()));

  test("what the host forwards to is reached, over TCP and UDP", async () => {
    for (const protocol of ["tcp", "udp"]) {
      const { stdout } = await run(sandbox(), ["/tmp/escape", protocol, peer.address, String(peer.port)]);
      assert.equal(stdout, "reached\n", protocol);
    }
  });

  test("no address of the host answers, on any port, over TCP and UDP", async () => {
    const addresses = hostAddresses().filter(({ family }) => family === "IPv4");
    assert.ok(addresses.some(({ address }) => address === peer.hostAddress));
    for (const { address } of addresses) {
      const attempt = ["tcp", address, String(host.port)];
      probes.assertReached([], attempt);
      await probes.assertRefused(sandbox(), attempt);
      await assertUnheard(host, address);
    }
    await probes.assertRefused(sandbox(), ["tcp", "0.0.0.0", String(host.port)]);
  });

  test("the server's own port answers on no address of the host", async () => {
    const { port, hostname } = new URL(process.env.ATOLL_URL ?? "");
    probes.assertReached([], ["tcp", hostname, port]);
    for (const { address } of hostAddresses().filter(({ family }) => family === "IPv4"))
      await probes.assertRefused(sandbox(), ["tcp", address, port]);
    await probes.assertRefused(sandbox(), ["tcp", gatewayAddress, port]);
  });

  test("the gateway answers on none of its addresses", async () => {
    const uplink = hostAddresses().filter(({ name, family }) => name.startsWith("atoll") && family === "IPv4");
    const others = uplink.map(({ address }) => address.replace(/\.1$/, ".2"));
    assert.ok(others.length > 0);
    for (const address of [gatewayAddress, ...others])
      for (const protocol of ["tcp", "udp"])
        await probes.assertRefused(sandbox(), [protocol, address, String(gateway.port)]);
    const own = others.filter((address) => isReached([], ["tcp", address, String(gateway.port)]));
    assert.equal(own.length, 1, "the host reaches the gateway of its own server");
  });

  test("the address of cloud metadata is refused", async () => {
    const attempt = ["tcp", metadataAddress, String(peer.port)];
    probes.assertReached([], attempt);
    await probes.assertRefused(sandbox(), attempt);
    await assertUnheard(peer, metadataAddress);
  });

  test("another sandbox is not reached, whatever its level", async () => {
    for (const level of ["gvisor", "container"] as const) {
      await using other = await newSandbox({ isolation: level });
      const { address, port } = await serveIn(other);
      probes.assertReached([], ["tcp", address, port]);
      await probes.assertRefused(sandbox(), ["tcp", address, port]);
    }
  });

  test("a neighbour of the host does not reach a sandbox through it", async () => {
    const { address, port } = await serveIn(sandbox());
    probes.assertReached([], ["tcp", address, port]);
    assert.equal(isReached(["ip", "netns", "exec", peer.namespace], ["tcp", address, port]), false);
  });

  test("an abstract socket of the host is out of reach", async () => {
    probes.assertReached([], ["abstract", abstractName]);
    await probes.assertRefused(sandbox(), ["abstract", abstractName]);
  });

  test("the host's IPv6 addresses are out of reach, those of its links too", async () => {
    const addresses = hostAddresses().filter(({ family }) => family === "IPv6");
    for (const { address, name } of addresses) probes.assertReached([], ["tcp6", address, String(host.port), name]);
    for (const address of [
      ...addresses.map(({ address }) => address).filter((each) => each !== "::1"),
      "fe80::1",
      "ff02::1",
    ])
      await probes.assertRefused(sandbox(), ["tcp6", address, String(host.port), "eth0"]);
  });

  test("packets under an address that is not the sandbox's own go nowhere, even from a runtime that was taken over", async () => {
    const inside = ["nsenter", `--net=/proc/${pidWithNetwork(sandbox())}/ns/net`];
    const listener = await listen(["ip", "netns", "exec", peer.namespace]);
    try {
      const target = [peer.address, String(listener.port)];
      for (const source of [peer.hostAddress, peer.address, "10.255.255.254", "127.0.0.1"])
        isReached(inside, ["spoof", ...target, source]);
      if (isolation === "container") probes.assertReached(inside, ["udp", ...target]);
      else await run(sandbox(), ["/tmp/escape", "udp", ...target]);
      await heardMoreThan(listener, 0);
      assert.equal(listener.heard.length, 1, listener.heard.join("; "));
    } finally {
      await listener.stop();
    }
  });

  test("with a blocked network there is loopback, and nothing leaves", async () => {
    await using blocked = await newSandbox({ isolation, blockNetwork: true });
    await probes.install(blocked);
    for (const address of [peer.address, metadataAddress, gatewayAddress, peer.hostAddress])
      for (const protocol of ["tcp", "udp"])
        await probes.assertRefused(blocked, [protocol, address, String(peer.port)]);
    await probes.assertRefused(blocked, ["tcp", "127.0.0.1", String(host.port)]);
    await probes.assertRefused(blocked, ["tcp6", "ff02::1", String(peer.port), "eth0"]);
    const { address, port } = await serveIn(blocked);
    assert.equal(isReached([], ["tcp", address, port]), false, "nor does the host reach in");
    const loopback = await shell(
      blocked,
      "python3 -c \"import socket; s = socket.create_server(('127.0.0.1', 80)); socket.create_connection(('127.0.0.1', 80)); print('up')\"",
    );
    assert.equal(loopback.stdout, "up\n");
  });

  test("an allowlist lets out to its ranges alone, and never to the metadata address or the host", async () => {
    await using listed = await newSandbox({ isolation, outboundCidrAllowlist: [`${peer.address}/32`, "::/0"] });
    await probes.install(listed);
    for (const protocol of ["tcp", "udp"])
      assert.equal((await attempt(listed, protocol, peer.address)).stdout, "reached\n", protocol);
    for (const address of [otherAddress, metadataAddress, peer.hostAddress, gatewayAddress])
      for (const protocol of ["tcp", "udp"]) await probes.assertRefused(listed, [protocol, address, String(peer.port)]);
    await listed.updateNetworkPolicy({ outboundCidrAllowlist: ["0.0.0.0/0"] });
    assert.equal((await attempt(listed, "tcp", otherAddress)).stdout, "reached\n");
    for (const address of [metadataAddress, peer.hostAddress])
      await probes.assertRefused(listed, ["tcp", address, String(peer.port)]);
    const { address, port } = await serveIn(listed);
    probes.assertReached([], ["tcp", address, port]);
  });

  test("a change of the policy cuts open connections that it does not allow, and leaves the others", async () => {
    await using changing = await newSandbox({ isolation });
    const first = await openConnection(changing, peer.address);
    const second = await openConnection(changing, otherAddress);
    assert.deepEqual([await first.echo(), await second.echo()], ["alive", "alive"]);
    await changing.updateNetworkPolicy({ outboundCidrAllowlist: [`${peer.address}/32`] });
    assert.deepEqual([await first.echo(), await second.echo()], ["alive", "cut"]);
    await changing.updateNetworkPolicy({ blockNetwork: true });
    assert.equal(await first.echo(), "cut");
    await changing.updateNetworkPolicy({});
    assert.equal(await (await openConnection(changing, otherAddress)).echo(), "alive");
  });

  async function attempt(within: Sandbox, protocol: string, address: string) {
    return run(within, ["/tmp/escape", protocol, address, String(peer.port)]);
  }

  /** A connection that is held in the sandbox; each echo says whether it still carries bytes there and back. */
  async function openConnection(within: Sandbox, address: string): Promise<{ echo(): Promise<string> }> {
    const program = `
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
peer.settimeout(3)
print("open")
for _ in sys.stdin:
    try:
        peer.sendall(b"ping"); print("alive" if peer.recv(16) else "cut")
    except OSError: print("cut")`;
    const process = await within.exec("python3", "-uc", program, address, String(peer.port));
    const lines = process.stdout[Symbol.asyncIterator]();
    const next = async () => String((await lines.next()).value).trim();
    assert.equal(await next(), "open");
    return {
      echo: async () => {
        process.stdin.write("\n");
        await process.stdin.drain();
        return next();
      },
    };
  }

  /** UDP by what arrives, since an answer may come from another of the listener's addresses: the host's own datagram does, this does not. */
  async function assertUnheard(listener: Listener, address: string): Promise<void> {
    const attempt = ["udp", address, String(listener.port)];
    const earlier = listener.heard.length;
    await probes.assertRefused(sandbox(), attempt);
    probes.isReached([], attempt);
    await heardMoreThan(listener, earlier);
    assert.equal(listener.heard.length, earlier + 1, listener.heard.slice(earlier).join("; "));
  }

  function isReached(prefix: readonly string[], attempt: readonly string[]): boolean {
    return probes.isReached(prefix, attempt);
  }
});

async function heardMoreThan(listener: Listener, count: number): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  while (listener.heard.length <= count) await sleep(20, undefined, { signal: limit });
}

/** Starts a listener in the sandbox that answers "!". */
async function serveIn(sandbox: Sandbox): Promise<{ address: string; port: string }> {
  const process = await sandbox.exec(
    "python3",
    "-uc",
    `
import socket, threading
server = socket.create_server(("0.0.0.0", 0)); print(server.getsockname()[1])
def answer(peer):
    while peer.recv(16): peer.sendall(b"!")
while True: threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()`,
  );
  const { value: port } = await process.stdout[Symbol.asyncIterator]().next();
  const { stdout } = await shell(sandbox, "getent hosts $(hostname)");
  return { address: stdout.split(" ")[0] ?? "", port: String(port) };
}

function pidWithNetwork(sandbox: Sandbox): number {
  const [first = 0] = hostPids(sandbox).filter((pid) => readFileSync(`/proc/${pid}/net/dev`, "utf8").includes("eth0"));
  return first;
}

/** Services of the machine that its owner offers to sandboxes, and those that are not. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { type Daemon, openDaemon } from "../support/daemon.ts";
import { eachIsolation, python } from "../support/isolation.ts";
import { type Listener, listen, openPeer, type Peer } from "../support/peer.ts";

let offered: Listener;
let other: Listener;
let peer: Peer;
let server: Daemon;
before(async () => {
  peer = await openPeer();
  offered = await listen();
  other = await listen();
  const services = `here=127.0.0.1:${offered.port}, there=${peer.hostAddress}:${offered.port}`;
  server = await openDaemon({ ATOLL_HOST_SERVICES: services, ATOLL_POOL: "1" });
});
after(async () => {
  await server?.remove();
  for (const listener of [offered, other, peer]) await listener?.stop();
});

const create = (options: SandboxCreateOptions) =>
  Sandbox.create({ client: server.client, timeoutMs: 600_000, ...options });

/** Whether each host answers at the port, over TCP. */
async function answers(sandbox: Sandbox, hosts: readonly string[], port: number): Promise<boolean[]> {
  const { stdout } = await python(
    sandbox,
    `
import socket
for host in ${JSON.stringify(hosts)}:
    try:
        with socket.create_connection((host, ${port}), 10) as peer:
            peer.sendall(b"x"); print(peer.recv(1) == b"!")
    except OSError: print(False)`,
  );
  return stdout
    .trim()
    .split("\n")
    .map((line) => line === "True");
}

eachIsolation((isolation) => {
  test("an open sandbox reaches what is offered under its name, and nothing else of the host", async () => {
    await using sandbox = await create({ isolation });
    const names = ["here.host.internal", "there.host.internal"];
    assert.deepEqual(await answers(sandbox, names, offered.port), [true, true]);
    assert.deepEqual(await answers(sandbox, names, other.port), [false, false]);
    const [first = "", second = ""] = (sandbox.lastInfo.address ?? "").split(".");
    const host = [`${first}.${second}.0.1`, peer.hostAddress, "127.0.0.1", "here"];
    assert.deepEqual(await answers(sandbox, host, offered.port), [false, false, false, false]);
    await sandbox.updateNetworkPolicy({ outboundCidrAllowlist: ["0.0.0.0/0"] });
    assert.deepEqual(await answers(sandbox, names, offered.port), [false, false]);
  });

  test("what the host passes on to others under its own address is not reached", async () => {
    const table = `atoll-test-${process.pid}-${isolation}`;
    const rule = `ip daddr ${peer.hostAddress} tcp dport ${other.port} counter dnat ip to ${peer.address}:${peer.port}`;
    const rules = `table inet ${table} { chain c { type nat hook prerouting priority dstnat; ${rule}; }; }`;
    execFileSync("nft", ["-f", "-"], { input: rules });
    try {
      await using sandbox = await create({ isolation });
      assert.deepEqual(await answers(sandbox, [peer.address], peer.port), [true]);
      assert.deepEqual(await answers(sandbox, [peer.hostAddress], other.port), [false]);
      const led = execFileSync("nft", ["list", "table", "inet", table], { encoding: "utf8" });
      assert.match(led, /counter packets [1-9]/, "the host did lead it on");
    } finally {
      execFileSync("nft", ["delete", "table", "inet", table]);
    }
  });
});

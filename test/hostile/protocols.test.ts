/** What leaves by protocols other than TCP and UDP, counted where the host meets what comes from sandboxes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Sandbox } from "@atoll/sdk";
import { eachIsolation, hostPids, newSandbox, python } from "../support/isolation.ts";
import { openPeer, type Peer } from "../support/peer.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";

useServer();
const probes = useProbes();

let peer: Peer;
before(async () => {
  peer = await openPeer();
});
after(() => peer?.stop());

/** ICMP, IGMP, TCP, UDP, GRE, ESP, SCTP, and one that is nothing. */
const protocols = [1, 2, 6, 17, 47, 50, 132, 253];
const multicast = ["224.0.0.251", "239.1.2.3", "255.255.255.255"];

eachIsolation((isolation) => {
  test("nothing of a blocked sandbox leaves, by any protocol or family, even from a runtime that was taken over", async () => {
    await using sandbox = await newSandbox({ isolation, blockNetwork: true });
    await using counts = countPackets(sandbox);
    sendEverything(sandbox);
    assert.deepEqual(counts.read(), { ipv4: 0, ipv6: 0 });
    // The same packets are seen once they may leave: those to the peer, and neither multicast nor IPv6.
    await sandbox.updateNetworkPolicy({});
    sendEverything(sandbox);
    assert.deepEqual(counts.read(), { ipv4: protocols.length, ipv6: 0 });
  });

  test("an allowlist that names everything lets no IPv6 out, and loopback inside works in both families", async () => {
    await using sandbox = await newSandbox({ isolation, outboundCidrAllowlist: ["0.0.0.0/0", "::/0"] });
    await using counts = countPackets(sandbox);
    sendEverything(sandbox);
    assert.deepEqual(counts.read(), { ipv4: protocols.length, ipv6: 0 });
    await sandbox.updateNetworkPolicy({ blockNetwork: true });
    const { stdout, stderr } = await python(
      sandbox,
      `
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.create_server((address, 0), family=family)
    with socket.create_connection(server.getsockname()[:2]) as peer: print(peer.getpeername()[0])
    udp, other = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    udp.bind((address, 0)); other.sendto(b"datagram", udp.getsockname()); print(udp.recv(16).decode())
try: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("2001:db8::1", 53)); print("sent")
except OSError: print("no way out")`,
    );
    assert.equal(stdout, "127.0.0.1\ndatagram\n::1\ndatagram\nno way out\n", stderr);
  });
});

/** From the sandbox's network namespace, with every right over it. */
function sendEverything(sandbox: Sandbox): void {
  const pid = hostPids(sandbox).find((each) => readFileSync(`/proc/${each}/net/dev`, "utf8").includes("eth0"));
  const inside = ["nsenter", `--net=/proc/${pid}/ns/net`];
  // gVisor has taken these for a network stack of its own.
  for (const line of [`addr replace ${sandbox.lastInfo.address}/32`, "route replace default via 169.254.1.1 onlink"])
    execFileSync("nsenter", [...inside.slice(1), "ip", ...line.split(" "), "dev", "eth0"]);
  for (const protocol of protocols) probes.isReached(inside, ["protocol", String(protocol), peer.address]);
  for (const address of multicast) probes.isReached(inside, ["protocol", "17", address]);
  for (const address of ["fd00::1", "2001:db8::1", "ff02::1"])
    probes.assertReached(inside, ["frame6", "eth0", address]);
}

/** Counts what has arrived at the host's end of the gateway's link since it was last read: IPv4 of this sandbox, and all IPv6. */
function countPackets(sandbox: Sandbox): { read(): { ipv4: number; ipv6: number } } & AsyncDisposable {
  const table = `atoll-test-${process.pid}`;
  const link = `atoll${createHash("sha256")
    .update(process.env.ATOLL_STATE_DIR ?? "")
    .digest("hex")
    .slice(0, 8)}`;
  const nft = (...argv: string[]) => execFileSync("nft", argv, { encoding: "utf8" });
  execFileSync("nft", ["-f", "-"], {
    input: `table inet ${table} { chain c { type filter hook prerouting priority -300;
      iifname "${link}" ip saddr ${sandbox.lastInfo.address} counter comment "ipv4"; iifname "${link}" meta nfproto ipv6 counter comment "ipv6"; }; }`,
  });
  const seen = { ipv4: 0, ipv6: 0 };
  const read = () => {
    const rules = nft("list", "table", "inet", table).matchAll(/counter packets (\d+) .*comment "(\w+)"/g);
    const now = { ...seen, ...Object.fromEntries([...rules].map(([, packets, name]) => [name, Number(packets)])) };
    const since = { ipv4: now.ipv4 - seen.ipv4, ipv6: now.ipv6 - seen.ipv6 };
    Object.assign(seen, now);
    return since;
  };
  return { read, [Symbol.asyncDispose]: async () => void nft("delete", "table", "inet", table) };
}

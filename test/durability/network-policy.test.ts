/** Network policies across the death of the daemon, and what they leave behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { daemon, endOf, until } from "../support/daemon.ts";
import { isolationLevels, python } from "../support/isolation.ts";
import { openPeer } from "../support/peer.ts";

const otherAddress = "203.0.113.78";

test("policies hold while the daemon is dead and after it, can be changed then, and leave nothing when their sandboxes end", async (t) => {
  const peer = await openPeer([otherAddress]);
  t.after(() => peer.stop());
  const server = await daemon(t, { ATOLL_READY_SLOTS: "1" });
  const { client } = server;
  const made = await Promise.all(
    isolationLevels.map((isolation) =>
      Sandbox.create({ client, isolation, outboundCidrAllowlist: [`${peer.address}/32`], timeoutMs: 600_000 }),
    ),
  );
  const blocked = await Sandbox.create({ client, isolation: "container", blockNetwork: true });
  const reached = async (sandbox: Sandbox) =>
    (await python(sandbox, attempts(peer.port, [peer.address, otherAddress]))).stdout;
  for (const sandbox of made) assert.equal(await reached(sandbox), "yes no\n");
  const before = gatewaySets(server.launcherPid);
  assert.equal(before.allowed, 2);
  await server.kill();
  assert.deepEqual(gatewaySets(server.launcherPid), before);
  await server.start();
  for (const sandbox of made) assert.equal(await reached(sandbox), "yes no\n");
  assert.equal(await reached(blocked), "no no\n");
  for (const sandbox of made) await sandbox.updateNetworkPolicy({ outboundCidrAllowlist: [`${otherAddress}/32`] });
  for (const sandbox of made) assert.equal(await reached(sandbox), "no yes\n");
  for (const sandbox of [...made, blocked]) await sandbox.terminate();
  await until("no range of theirs is left", () => gatewaySets(server.launcherPid).allowed === 0);
  await until("the slots of all are as new", () => {
    const { joined, open } = gatewaySets(server.launcherPid);
    return joined === open;
  });
});

test("a launcher that is killed in the middle of changes and of making slots leaves nothing half done to the next one", async (t) => {
  const server = await daemon(t, { ATOLL_READY_SLOTS: "4", ATOLL_POOL: "0" });
  const { client } = server;
  const create = (options: SandboxCreateOptions) => Sandbox.create({ client, isolation: "container", ...options });
  const changing = await create({ network: "team" });
  const before = server.launcherPid;
  const ranges = (step: number) => Array.from({ length: 200 }, (_, each) => `10.${step}.${each}.0/24`);
  const changes = Array.from({ length: 8 }, (_, step) =>
    changing.updateNetworkPolicy({ outboundCidrAllowlist: ranges(step) }),
  );
  const creations = Array.from({ length: 4 }, () => create({ network: "team", blockNetwork: true }));
  const done = Promise.allSettled([...changes, ...creations]);
  await Promise.race(changes);
  process.kill(before, "SIGKILL");
  await server.ended();
  await server.start();
  await done; // whatever became of each
  assert.equal((await endOf(changing)).kind, "lost");
  const blocked = await create({ blockNetwork: true, timeoutMs: 600_000 });
  const member = await create({ network: "team", timeoutMs: 600_000 });
  assert.notEqual(server.launcherPid, before);
  assert.equal((await python(blocked, attempts(9, ["192.0.2.1"]))).stdout, "no\n");
  for (const sandbox of [blocked, member]) await sandbox.terminate();
  for await (const sandbox of Sandbox.list({ client })) await sandbox.terminate();
  await until("the gateway has nothing of them", () => {
    const { allowed, members, joined, open } = gatewaySets(server.launcherPid);
    return allowed === 0 && members === 0 && joined === open;
  });
  assert.deepEqual(await server.gc(), []);
});

function attempts(port: number, addresses: readonly string[]): string {
  return `
import socket
def reach(address):
    try:
        peer = socket.create_connection((address, ${port}), 20); peer.sendall(b"x"); return "yes" if peer.recv(1) else "no"
    except OSError: return "no"
print(*[reach(address) for address in ${JSON.stringify(addresses)}])`;
}

/** How many elements each set of the gateway has. */
function gatewaySets(launcherPid: number): Record<string, number> {
  const argv = [`--net=/proc/${launcherPid}/ns/net`, "nft", "--json", "list", "table", "inet", "atoll"];
  const { nftables }: { nftables: { set?: { name: string; elem?: unknown[] } }[] } = JSON.parse(
    execFileSync("nsenter", argv, { encoding: "utf8", maxBuffer: 64 * 1024 ** 2 }),
  );
  return Object.fromEntries(nftables.flatMap(({ set }) => (set ? [[set.name, set.elem?.length ?? 0]] : [])));
}

/** Private networks: whom members reach, and who does not reach them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { App, PrivateNetwork, Sandbox } from "@atoll/sdk";
import { atoll, succeed } from "../cli/atoll.ts";
import { eachIsolation, hostPids, newSandbox, sharedSandbox } from "../support/isolation.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";
import { reach, type Service, serve, servicePort } from "../support/services.ts";

useServer();
const probes = useProbes();

const addressOf = (sandbox: Sandbox) => sandbox.lastInfo.address ?? "";

let networks = 0;
const newNetwork = () => `team-${process.pid}-${networks++}`;

eachIsolation((isolation) => {
  const network = newNetwork();
  const otherLevel = isolation === "gvisor" ? "container" : "gvisor";
  const names = { outboundCidrAllowlist: ["203.0.113.0/24"], outboundDomainAllowlist: ["a.test"] };
  const blocked = sharedSandbox({ isolation, network, blockNetwork: true });
  const listed = sharedSandbox({ isolation: otherLevel, network, ...names });
  const open = sharedSandbox({ isolation, network });
  let service: Service;
  before(async () => {
    service = await serve(blocked());
  });

  test("members reach each other over TCP, UDP and ICMP, whatever their levels and policies", async () => {
    const members = [blocked(), listed(), open()];
    for (const server of members) {
      if (server !== blocked()) await serve(server);
      for (const member of members) assert.deepEqual(await reach(member, [addressOf(server)]), ["reached"]);
    }
  });

  test("a change of policy leaves a member in its network", async () => {
    await open().updateNetworkPolicy({ blockNetwork: true });
    assert.deepEqual(await reach(open(), [addressOf(blocked())]), ["reached"]);
    await open().updateNetworkPolicy({});
    assert.deepEqual(await reach(open(), [addressOf(blocked())]), ["reached"]);
  });

  test("nobody else reaches a member, nor is reached: without a network, in another one, or in one of that name of another app", async () => {
    const app = await App.lookup(`other-${process.pid}`, { createIfMissing: true });
    const earlier = service.heard.length;
    await using stack = new AsyncDisposableStack();
    const strangers = await Promise.all(
      [{}, { network: newNetwork() }, { network, app }].map(async (options) =>
        stack.use(await newSandbox({ isolation, ...options })),
      ),
    );
    await strangers[0]?.updateNetworkPolicy({ outboundCidrAllowlist: ["0.0.0.0/0"] });
    for (const stranger of strangers) {
      assert.deepEqual(await reach(stranger, [addressOf(blocked())]), ["refused"]);
      await serve(stranger);
      assert.deepEqual(await reach(open(), [addressOf(stranger)]), ["refused"]);
    }
    assert.equal(service.heard.length, earlier);
  });

  test("a forged address makes nobody a member, even from a runtime that was taken over", async () => {
    await using member = await newSandbox({ isolation: "container", network });
    await using stranger = await newSandbox({ isolation: "container" });
    const earlier = service.heard.length;
    const spoof = (from: Sandbox, source: string) =>
      probes.isReached(inNetworkOf(from), ["spoof", addressOf(blocked()), String(servicePort), source]);
    for (const source of [addressOf(open()), addressOf(member), addressOf(stranger)]) spoof(stranger, source);
    for (const source of [addressOf(open()), addressOf(blocked()), addressOf(stranger)]) spoof(member, source);
    assert.deepEqual(await reach(member, [addressOf(blocked())]), ["reached"]);
    assert.deepEqual(service.heard.slice(earlier), [addressOf(member)]);
  });
});

test("a network is there for as long as it has members, and is seen where sandboxes are", async () => {
  const network = newNetwork();
  const db = await Sandbox.create({ network, name: `db-${process.pid}`, isolation: "container" });
  try {
    const list = async () => (await PrivateNetwork.list()).filter(({ name }) => name === network);
    const member = { sandboxId: db.id, name: `db-${process.pid}`, address: addressOf(db) };
    assert.deepEqual(await list(), [{ app: "default", name: network, members: [member] }]);
    assert.match(await succeed("network", "ls"), new RegExp(`${network} +${member.name} +${member.address} +${db.id}`));
    assert.match(await succeed("ls"), new RegExp(`${network} +${member.address}`));
    assert.match(
      await succeed("inspect", db.id),
      new RegExp(`Private network: +${network}\nAddress: +${member.address}`),
    );
    assert.deepEqual(JSON.parse(await succeed("network", "ls", "--json", "--app", "none")), []);
    await db.terminate();
    assert.deepEqual(await list(), []);
    assert.equal((await Sandbox.fromId(db.id)).lastInfo.address, undefined);
  } finally {
    await db.terminate();
  }
});

test("what cannot be a network or the name of a member is refused by name, before anything is made", async () => {
  const network = newNetwork();
  await assert.rejects(Sandbox.create({ network: "Team A" }), { code: "invalid_argument" });
  await assert.rejects(Sandbox.create({ network, name: "my.db" }), {
    code: "invalid_argument",
    message: `cannot name a sandbox of the network "${network}" "my.db": it is no host name`,
  });
  await assert.rejects(Sandbox.create({ network, name: "LocalHost" }), { code: "invalid_argument" });
  const { code, stderr } = await atoll(["create", "--network", "-x"]);
  assert.equal(code, 125, stderr);
  await using _first = await newSandbox({ network, name: `cache-${process.pid}`, isolation: "container" });
  await assert.rejects(Sandbox.create({ network, name: `CACHE-${process.pid}` }), { code: "conflict" });
});

function inNetworkOf(sandbox: Sandbox): string[] {
  const pid = hostPids(sandbox).find((each) => readFileSync(`/proc/${each}/net/dev`, "utf8").includes("eth0"));
  return ["nsenter", `--net=/proc/${pid}/ns/net`];
}

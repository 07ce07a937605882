/** Names within private networks, with a name server of the test's own for all others, and what is left when members go. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { type Daemon, openDaemon, until } from "../support/daemon.ts";
import { eachIsolation, python } from "../support/isolation.ts";
import { reach, serve } from "../support/services.ts";
import { openSite, type Site } from "../support/site.ts";

const network = "team-a";
const domain = `${network}.internal`;
const outside = "outside.test";
const outsideAddress = "203.0.113.80";

let site: Site;
let server: Daemon;
before(async () => {
  site = await openSite(() => ({ [outside]: [[outsideAddress]] }));
  server = await openDaemon({ ATOLL_NAME_SERVERS: site.address, ATOLL_POOL: "0", ATOLL_READY_SLOTS: "1" });
});
after(async () => {
  await server?.remove();
  await site?.stop();
});

const create = (options: SandboxCreateOptions) =>
  Sandbox.create({ client: server.client, timeoutMs: 600_000, ...options });
const addressOf = (sandbox: Sandbox) => sandbox.lastInfo.address ?? "";

/** What each name resolves to, or "none". */
async function resolved(sandbox: Sandbox, ...names: readonly string[]): Promise<string[]> {
  const { stdout } = await python(
    sandbox,
    `
import socket
for name in ${JSON.stringify(names)}:
    try: print(socket.gethostbyname(name))
    except OSError: print("none")`,
  );
  return stdout.trim().split("\n");
}

test("a network outlives the daemon, takes in new members after it, and gives nothing to the next one at a former member's address", async () => {
  await using db = await create({ isolation: "gvisor", network, name: "db" });
  await using worker = await create({ isolation: "container", network, blockNetwork: true });
  // Several, since a server that starts uses some addresses itself to try its levels out.
  const former = await Promise.all(Array.from({ length: 6 }, () => create({ isolation: "container", network })));
  const addresses = former.map(addressOf);
  await serve(db);
  assert.equal(elementsOf(addresses).length, 2 * former.length);
  await Promise.all(former.map((member) => member.terminate()));
  await until("the gateway's sets have nothing of those that left", () => elementsOf(addresses).length === 0);
  await server.kill();
  assert.equal(elementsOf([addressOf(db)]).length, 2);
  await server.start();
  assert.deepEqual(await reach(worker, [addressOf(db)]), ["reached"]);
  await until("names are answered again", async () => (await resolved(worker, "db"))[0] === addressOf(db));
  await using late = await create({ isolation: "container", network });
  assert.deepEqual(await reach(late, ["db"]), ["reached"]);
  const strangers: Sandbox[] = [];
  try {
    // A server that starts gives addresses out from the first one again.
    while (!addresses.includes(addressOf(strangers.at(-1) ?? db)) && strangers.length < 12)
      strangers.push(await create({ isolation: "container" }));
    const heir = strangers.find((each) => addresses.includes(addressOf(each)));
    assert.ok(heir, `one of ${addresses.join(" ")} is given to one of ${strangers.map(addressOf).join(" ")}`);
    assert.deepEqual(await reach(heir, [addressOf(db)]), ["refused"]);
    assert.deepEqual(await resolved(heir, "db"), ["none"]);
    await serve(heir);
    assert.deepEqual(await reach(worker, [addressOf(heir)]), ["refused"]);
  } finally {
    await Promise.all(strangers.map((sandbox) => sandbox.terminate()));
  }
});

eachIsolation((isolation) => {
  test("members find each other by name in every mode, and what they ask for beyond that is as their policy says", async () => {
    const began = site.heard.length;
    await using db = await create({ isolation, network, name: "Db", blockNetwork: true });
    await using open = await create({ isolation, network, name: "open" });
    await using listed = await create({ isolation, network, outboundCidrAllowlist: [`${site.address}/32`] });
    await using named = await create({ isolation, network, outboundDomainAllowlist: [outside] });
    await using stranger = await create({ isolation, name: "stranger" });
    await serve(db);
    const own = ["db", "DB", `db.${domain}`];
    for (const member of [db, open, listed, named]) {
      assert.deepEqual(
        await resolved(member, ...own),
        own.map(() => addressOf(db)),
      );
      assert.deepEqual(await resolved(member, "nobody", `nobody.${domain}`, "stranger"), ["none", "none", "none"]);
      assert.deepEqual(await reach(member, ["db"]), ["reached"]);
    }
    const asked = site.heard.slice(began).filter(({ dns = "" }) => dns.endsWith(domain));
    assert.deepEqual(asked, [], "names of members are asked of nobody else");
    assert.deepEqual(await resolved(stranger, ...own, outside), ["none", "none", "none", outsideAddress]);
    for (const member of [open, listed, named]) assert.deepEqual(await resolved(member, outside), [outsideAddress]);
    const before = site.heard.length;
    assert.deepEqual(await resolved(db, outside, "secret.example.com"), ["none", "none"]);
    assert.deepEqual(await resolved(named, "secret.example.com"), ["none"]);
    assert.deepEqual(site.heard.slice(before), [], "nothing of a blocked member is asked outside");
  });

  test("a member is found under its new name, and not once it has ended", async () => {
    const db = await create({ isolation, network, name: "first" });
    await using other = await create({ isolation: "container", network });
    await server.atoll("rename", db.id, "second");
    assert.deepEqual(await resolved(other, "first", "second"), ["none", addressOf(db)]);
    await db.terminate();
    await until("its name is gone", async () => (await resolved(other, "second"))[0] === "none");
  });
});

/** What the gateway's `network` and `members` hold of addresses. Slots are numbered in the order of these, from x.y.1.0 on. */
function elementsOf(addresses: readonly string[]): string[] {
  const argv = [`--net=/proc/${server.launcherPid}/ns/net`, "nft", "list", "table", "inet", "atoll"];
  const text = execFileSync("nsenter", argv, { encoding: "utf8" });
  const slots = addresses.map((address) => {
    const [, , high = 0, low = 0] = address.split(".").map(Number);
    return `slot${256 * (high - 1) + low}`;
  });
  return [...text.matchAll(/"(slot\d+)" [:.] 0x[0-9a-f]+/g)]
    .map(([, slot = ""]) => slot)
    .filter((slot) => slots.includes(slot));
}

/** The gateway's sets for many slots, in a network namespace that the test made. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Launcher, RunOptions, RunResult } from "../../src/launcher/client.ts";
import { open, outbound } from "../../src/network/outbound.ts";
import { NetworkPolicies } from "../../src/network/policies.ts";
import { gatewayRules } from "../../src/network/rules.ts";

const slots = 500;
const rangesEach = 20;

test("500 slots have policies and private networks of their own, which one after another takes over, and leave other tables alone", async (t) => {
  const namespace = `atoll-sets-${process.pid}`;
  const directory = mkdtempSync(join(tmpdir(), "atoll-sets-"));
  execFileSync("ip", ["netns", "add", namespace]);
  t.after(() => {
    execFileSync("ip", ["netns", "delete", namespace]);
    rmSync(directory, { recursive: true, force: true });
  });
  let runs = 0;
  const run = async (argv: readonly string[], { stdin = "" }: RunOptions = {}): Promise<RunResult> => {
    runs += 1;
    const done = spawnSync("ip", ["netns", "exec", namespace, ...argv], { input: stdin, encoding: "utf8" });
    return { status: (done.status ?? 1) << 8, exitCode: done.status ?? 1, stdout: done.stdout, stderr: done.stderr };
  };
  const launcher = { run } as Partial<Launcher> as Launcher;
  const foreign = "table inet other { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }\n";
  const rules = gatewayRules({
    slotPrefix: "slot",
    uplink: "uplink",
    hostAddress: "10.231.0.1",
    subnet: "10.231.0.0/16",
    nameServers: [],
    services: [],
  });
  assert.equal((await run(["nft", "-f", "-"], { stdin: foreign + rules })).stderr, "");
  const others = async () => (await run(["nft", "list", "table", "inet", "other"])).stdout;
  const untouched = await others();

  const load = () => NetworkPolicies.load(launcher, join(directory, "sets.json"), AbortSignal.timeout(30_000));
  const policies = await load();
  const names = Array.from({ length: slots }, (_, index) => `slot${index}`);
  const policy = (slot: number, step: number) => ({
    ...outbound({
      outboundCidrAllowlist: Array.from(
        { length: rangesEach },
        (_, each) => `10.${(slot + step) % 256}.${2 * each}.0/24`,
      ),
    }),
    network: 1 + (slot % 50),
  });
  const count = async (kind: string, name: string) =>
    (await run(["nft", "list", kind, "inet", "atoll", name])).stdout.split('"slot').length - 1;
  const allowed = () => count("set", "allowed");
  const networks = async () => [await count("map", "network"), await count("set", "members")];

  const earlier = runs;
  await Promise.all(names.map((name, index) => policies.set(name, policy(index, 0))));
  assert.equal(runs - earlier, 1, "asked for together, they are one transaction");
  assert.equal(await allowed(), slots * rangesEach);
  assert.deepEqual(await networks(), [slots, slots]);

  const next = await load();
  const since = runs;
  await Promise.all(names.map((name, index) => next.set(name, policy(index, 0))));
  assert.equal(runs, since, "what a later daemon reads back is what was set");
  await next.set("slot7", policy(7, 1));
  assert.equal(await allowed(), slots * rangesEach);
  await Promise.all(names.map((name) => next.set(name, open)));
  assert.equal(await allowed(), 0);
  assert.deepEqual(await networks(), [0, 0]);
  assert.equal(await others(), untouched);
});

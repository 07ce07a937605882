import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox } from "@atoll/protocol";
import { type TestServer, testServer } from "../support/server.ts";

const pool = { env: { ATOLL_POOL: "1" } };

/** The control directories of what is prepared or runs. */
function directories({ directory }: TestServer): string[] {
  return readdirSync(join(directory, "run")).filter((name) => /^[0-9A-Za-z]{22}$/.test(name));
}

async function untilReady(server: TestServer): Promise<void> {
  const metrics = async () => (await server.client.fetch("/metrics")).text();
  while (!/^atoll_pool_sandboxes\{isolation="container"\} 1$/m.test(await metrics())) await sleep(10);
}

function preparation(sandbox: Sandbox): string | undefined {
  return sandbox.timeline.find(({ event }) => event === "prepared")?.detail;
}

test("a sandbox is claimed from those prepared ahead of time, and another is prepared in its place", async (t) => {
  const server = await testServer(t, pool);
  await untilReady(server);
  const [ready] = directories(server);
  const sandbox = await server.client.create({ command: ["sh", "-c", "echo ready"] });
  assert.equal(sandbox.id, `sb-${ready}`);
  assert.match(preparation(sandbox) ?? "", /ahead of time/);
  assert.equal((await server.client.wait(sandbox.id)).result?.exitCode, 0);
  await untilReady(server);
  assert.notEqual(
    directories(server).find((name) => name !== ready),
    undefined,
  );
});

test("however many are taken while others are being prepared, the pool is full again in the end", async (t) => {
  const server = await testServer(t, { ...pool, engine: { prepareMs: 20 } });
  await untilReady(server);
  for (let round = 0; round < 10; round += 1) await server.client.create({ command: ["true"] });
  await untilReady(server);
});

test("those prepared ahead serve every network policy", async (t) => {
  const server = await testServer(t, pool);
  for (const policy of [{ blockNetwork: true }, { outboundCidrAllowlist: ["192.0.2.0/24"] }]) {
    await untilReady(server);
    assert.match(preparation(await server.client.create(policy)) ?? "", /ahead of time/);
  }
});

test("a request that is refused takes nothing", async (t) => {
  const server = await testServer(t, pool);
  await untilReady(server);
  const [ready] = directories(server);
  assert.equal((await server.client.error("POST", "/v1/sandboxes", { gpu: "any" })).code, "gpu_unavailable");
  assert.deepEqual(directories(server), [ready]);
});

test("a server that stops removes what it had prepared", async (t) => {
  const server = await testServer(t, pool);
  await untilReady(server);
  await server.stop();
  assert.deepEqual(directories(server), []);
});

test("with a pool of 0 nothing is prepared ahead", async (t) => {
  const server = await testServer(t);
  const { id } = await server.client.create();
  assert.deepEqual(directories(server), [id.slice(3)]);
});

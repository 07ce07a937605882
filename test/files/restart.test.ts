import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Sandbox } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { isolationLevels } from "../support/isolation.ts";

test("a server that is killed in the middle of a write leaves the old file, and nothing half done beside it", async (t) => {
  const server = await daemon(t);
  const client = new Client({ baseUrl: server.url, token: server.token, retryForMs: 60_000 });
  const sandboxes = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ client, isolation })));
  await Promise.all(sandboxes.map(({ fs }) => fs.writeText("/tmp/held/file", "old")));
  async function* endless() {
    for (;;) yield new Uint8Array(64 * 1024);
  }
  const writes = sandboxes.map(({ fs }) => fs.writeStream("/tmp/held/file", endless(), { atomic: true }));
  const outcomes = Promise.allSettled(writes);
  for (const { fs } of sandboxes) while ((await fs.list("/tmp/held")).length < 2);
  await server.kill();
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  await server.start();
  for (const { fs } of sandboxes) {
    while ((await fs.list("/tmp/held")).length > 1);
    assert.equal(await fs.readText("/tmp/held/file"), "old");
  }
});

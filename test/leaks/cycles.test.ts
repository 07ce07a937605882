import assert from "node:assert/strict";
import { test } from "node:test";
import { type Isolation, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, endOf } from "../support/daemon.ts";
import { quietSnapshot, settledDifference } from "./machine.ts";

const concurrency = 8;
const cycles = Number(process.env.ATOLL_LEAK_CYCLES || 300);

test(`${cycles} create-exec-terminate cycles at each level, ${concurrency} at once, leave nothing behind`, async (t) => {
  const server = await daemon(t);
  // What the first sandboxes make stays for all: runtimes' directories, the pool of slots, connections.
  for (const isolation of ["container", "gvisor"] as const) await run(server, isolation, 2 * concurrency);
  const watched = server.watched;
  const before = await quietSnapshot(watched);
  for (const isolation of ["container", "gvisor"] as const) {
    const began = performance.now();
    await run(server, isolation, cycles);
    t.diagnostic(`${isolation}: ${((1000 * cycles) / (performance.now() - began)).toFixed(1)} cycles a second`);
  }
  assert.deepEqual(await settledDifference(before, watched), {});
  assert.deepEqual(await server.gc(), []);
});

async function run(server: Daemon, isolation: Isolation, count: number): Promise<void> {
  let left = count;
  const workers = Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await cycle(server, isolation);
  });
  await Promise.all(workers);
}

async function cycle({ client }: Daemon, isolation: Isolation): Promise<void> {
  const sandbox = await Sandbox.create({ client, isolation });
  const process = await sandbox.exec("sh", "-c", "echo said > /file; cat /file");
  assert.equal(await process.stdout.text(), "said\n");
  assert.equal((await process.wait()).exitCode, 0);
  await sandbox.terminate();
  assert.equal((await endOf(sandbox)).kind, "terminated");
}

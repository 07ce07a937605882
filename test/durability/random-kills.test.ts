import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Isolation, type Process, Sandbox } from "@atoll/sdk";
import { quietSnapshot, settledDifference } from "../leaks/machine.ts";
import { type Daemon, daemon, endOf, levelOf } from "../support/daemon.ts";

const seed = Number(process.env.ATOLL_SEED || Date.now() % 2 ** 31);
const kills = 5;
const workers = 6;

/** mulberry32: the same seed gives the same run, as far as the machine's own timing allows. */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("daemons killed at random moments of creating, running and terminating lose nothing and leave nothing behind", async (t) => {
  t.diagnostic(`ATOLL_SEED=${seed}`);
  const next = random(seed);
  const server = await daemon(t);
  for (const isolation of ["container", "gvisor"] as const) await life(server, isolation, 0);
  const before = await quietSnapshot(server.watched);
  const over = new AbortController();
  let lives = 0;
  const living = Array.from({ length: workers }, async (_, index) => {
    for (let number = 0; !over.signal.aborted; number += 1) {
      await life(server, levelOf(index, 3), number);
      lives += 1;
    }
  });
  const failed = Promise.all(living);
  failed.catch(() => undefined);
  for (let kill = 0; kill < kills; kill += 1) {
    await Promise.race([failed, sleep(300 + next() * 2000)]);
    await server.kill();
    await sleep(next() * 500);
    const tookMs = await server.start();
    t.diagnostic(`restart ${kill + 1} answered after ${tookMs.toFixed(0)} ms`);
  }
  over.abort();
  await failed;
  t.diagnostic(`${lives} sandboxes lived`);
  assert.deepEqual(await Array.fromAsync(Sandbox.list({ client: server.client })), []);
  for await (const sandbox of Sandbox.list({ client: server.client, all: true })) {
    const { state, result, finishedAt } = sandbox.lastInfo;
    assert.ok(state === "finished" && result && finishedAt, sandbox.id);
  }
  assert.deepEqual(await server.gc(), []);
  assert.deepEqual(await settledDifference(before, server.watched), {});
});

/** A sandbox from creation to end; each step must come true however often the daemon dies meanwhile. */
async function life(server: Daemon, isolation: Isolation, number: number): Promise<void> {
  const code = number % 100;
  const sandbox = await Sandbox.create("sh", "-c", `echo main; read line; echo "$line"; exit ${code}`, {
    client: server.client,
    isolation,
  });
  try {
    await live(sandbox, number);
  } catch (error) {
    const { state, result, timeline } = await sandbox.info();
    const what = JSON.stringify({ state, result, timeline, processes: await infos(sandbox) });
    throw new Error(`${isolation} ${sandbox.id}: ${what}`, { cause: error });
  }
}

async function infos(sandbox: Sandbox) {
  return Promise.all((await sandbox.processes()).map((process) => process.info()));
}

async function live(sandbox: Sandbox, number: number): Promise<void> {
  const code = number % 100;
  const process = await sandbox.exec("sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done; exit 7");
  assert.equal(await process.stdout.text(), "1\n2\n3\n4\n5\n");
  assert.deepEqual(await endOfProcess(process), ["exited", 7]);
  if (number % 2 === 0) {
    await sandbox.terminate();
    assert.equal((await endOf(sandbox)).kind, "terminated");
    return;
  }
  sandbox.stdin.write("goodbye\n");
  await sandbox.stdin.drain();
  assert.equal(await sandbox.stdout.text(), "main\ngoodbye\n");
  const { kind, exitCode } = await endOf(sandbox);
  assert.deepEqual([kind, exitCode], ["exited", code]);
}

async function endOfProcess(process: Process) {
  const { kind, exitCode } = await process.wait();
  return [kind, exitCode];
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ConflictError, ExecTimeoutError, type Process, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, endOf, levelOf } from "../support/daemon.ts";
import { numbered, numberedLines } from "./programs.ts";

const count = 20;
const lines = 300;

/** A sandbox whose own command and another process say one line every 20 ms, and a `cat` that is fed meanwhile. */
async function streaming(server: Daemon, index: number) {
  const options = { client: server.client, isolation: levelOf(index, 3), timeoutMs: 600_000 } as const;
  const sandbox = await Sandbox.create(...numbered(`main ${index}`, lines, `cat; exit ${40 + index}`), options);
  const first = await sandbox.exec(...numbered(`first ${index}`, lines, "exit 3"));
  const second = await sandbox.exec("bash", "-c", "kill -TERM $$");
  const cat = await sandbox.exec("cat");
  return { index, sandbox, first, second, cat };
}

test("twenty sandboxes of both levels outlive a killed daemon: every byte once, every exit code, stdin in order", async (t) => {
  const server = await daemon(t);
  const running = await Promise.all(Array.from({ length: count }, (_, index) => streaming(server, index)));
  // Readers that are open when the daemon dies continue by themselves where they were.
  const read = running.map(async ({ sandbox, first }) => ({
    main: await sandbox.stdout.text(),
    first: await first.stdout.text(),
  }));
  for (const { cat } of running) cat.stdin.write("before\n");
  await Promise.all(running.map(({ cat }) => cat.stdin.drain()));

  for (let round = 0; round < 2; round += 1) {
    const late = await Promise.all(running.map(({ sandbox }) => sandbox.exec("sh", "-c", "sleep 0.3; exit 9")));
    await server.kill();
    for (const { cat } of running) cat.stdin.write(`killed ${round}\n`);
    const fed = running.map(({ cat }) => cat.stdin.drain());
    await sleep(1500); // the late processes end while nobody listens
    await server.start();
    await Promise.all(fed);
    for (const process of late) assert.equal((await process.wait()).exitCode, 9);
  }

  for (const { cat } of running) cat.stdin.writeEof();
  for (const [index, { sandbox, first, second, cat }] of running.entries()) {
    await cat.stdin.drain();
    assert.equal(await cat.stdout.text(), "before\nkilled 0\nkilled 1\n");
    assert.equal((await second.wait()).signal, "SIGTERM");
    sandbox.stdin.writeEof();
    await sandbox.stdin.drain();
    assert.deepEqual(await read[index], {
      main: numberedLines(`main ${index}`, lines),
      first: numberedLines(`first ${index}`, lines),
    });
    assert.equal((await first.wait()).exitCode, 3);
    assert.equal((await endOf(sandbox)).exitCode, 40 + index);
    // A reader that comes only now gets the same.
    assert.equal(await sandbox.stdout.from(0).text(), numberedLines(`main ${index}`, lines));
  }
  assert.deepEqual(await server.gc(), []);
});

/** cat may have had all and ended before a kill took the answer away: then the repeated write finds it finished. */
function exceptFinished(error: unknown): void {
  if (!(error instanceof ConflictError && error.code === "process_finished")) throw error;
}

test("stdin in the middle of which the daemon is killed arrives whole and in order", async (t) => {
  const server = await daemon(t);
  const sent = Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join("");
  const copies = await Promise.all(
    (["container", "gvisor"] as const).map(async (isolation) => {
      const sandbox = await Sandbox.create({ client: server.client, isolation });
      const cat = await sandbox.exec("cat");
      const read = cat.stdout.text();
      cat.stdin.write(sent);
      cat.stdin.writeEof();
      return { cat, read, fed: cat.stdin.drain().catch(exceptFinished) };
    }),
  );
  for (let round = 0; round < 3; round += 1) {
    await sleep(100);
    await server.kill();
    await server.start();
  }
  for (const { cat, read, fed } of copies) {
    await fed;
    assert.ok((await read) === sent, "stdout differs from stdin");
    assert.equal((await cat.wait()).exitCode, 0);
  }
});

test("time limits go on while no daemon runs, and what ended in time did so", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  const make = (script: string, options: object) =>
    Sandbox.create("bash", "-c", script, { client, isolation: "container", ...options });
  const overdue = await make("echo said; sleep 1000", { timeoutMs: 2500 });
  const inTime = await make("sleep 1.5; echo done; exit 5", { timeoutMs: 2500 });
  const idle = await Sandbox.create({ client, isolation: "container", idleTimeoutMs: 3000 });
  const busy = await Sandbox.create({ client, isolation: "container", idleTimeoutMs: 3000 });
  const lasting = await busy.exec("cat");
  const host = await Sandbox.create({ client, isolation: "container" });
  const lateExec = await host.exec("sleep", "1000", { timeoutMs: 2000 });
  const timelyExec = await host.exec("sh", "-c", "sleep 1; exit 6", { timeoutMs: 2000 });
  const later = await make("sleep 1000", { timeoutMs: 6000 });
  await server.kill();
  await sleep(3500);
  await server.start();

  assert.deepEqual(await kindAndCode(overdue), ["timed_out", 124]);
  assert.equal(await overdue.stdout.text(), "said\n");
  assert.deepEqual(await kindAndCode(inTime), ["exited", 5]);
  assert.equal(await inTime.stdout.text(), "done\n");
  assert.deepEqual(await kindAndCode(idle), ["idle_timed_out", 124]);
  assert.deepEqual(await processEnd(lateExec), ["timed_out", 124]);
  assert.deepEqual(await processEnd(timelyExec), ["exited", 6]);
  assert.equal(await busy.poll(), null, "a process that exec started keeps it from being idle");
  lasting.stdin.writeEof();
  await lasting.stdin.drain();
  assert.deepEqual(await kindAndCode(busy), ["idle_timed_out", 124]);
  assert.deepEqual(await kindAndCode(later), ["timed_out", 124]);
});

test("a creation that is repeated under its key after a restart is the same sandbox", async (t) => {
  const server = await daemon(t);
  const create = (command: string, key: string) =>
    fetch(`${server.url}/v1/sandboxes`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.token}`,
        "content-type": "application/json",
        "idempotency-key": key,
      },
      body: JSON.stringify({ command: ["sleep", command], isolation: "container" }),
    }).then(async (answer) => ({ status: answer.status, body: await answer.json() }));
  const first = await create("1000", "one");
  await server.kill();
  await server.start();
  const again = await create("1000", "one");
  assert.equal(again.body.id, first.body.id);
  assert.equal(again.body.state, "running");
  assert.equal((await create("1001", "one")).body.error.code, "idempotency_mismatch");
  assert.notEqual((await create("1000", "two")).body.id, first.body.id);
});

async function kindAndCode(sandbox: Sandbox) {
  const { kind, exitCode } = await endOf(sandbox);
  return [kind, exitCode];
}

async function processEnd(process: Process) {
  await process.wait().catch((error: unknown) => {
    if (!(error instanceof ExecTimeoutError)) throw error;
  });
  const { result } = await process.info();
  return [result?.kind, result?.exitCode];
}

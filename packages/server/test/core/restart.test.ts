import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Process, Sandbox } from "@atoll/protocol";
import { daemonProcess } from "../support/daemon-process.ts";
import { testServer } from "../support/server.ts";

/** Prints the numbers from 1 to COUNT, a burst at a time. */
const counting = (count: number) =>
  `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo $i; [ $((i % 50)) = 0 ] && sleep 0.02; done`;
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");

test("when the daemon is killed while sandboxes stream, all run on and every byte arrives once", async (t) => {
  const daemon = await daemonProcess(t);
  const count = 4000;
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, index) => daemon.client.shell(`${counting(count)}; exit ${index}`)),
  );
  for (let kills = 0; kills < 3; kills += 1) {
    await sleep(250);
    await daemon.kill();
    await sleep(100);
    await daemon.restart();
  }
  for (const [index, { id }] of made.entries()) {
    assert.deepEqual((await daemon.client.wait(id)).result, { kind: "exited", exitCode: index });
    assert.equal(await daemon.client.text(id), numbers(count));
  }
});

test("a gibibyte that nobody reads neither blocks its process nor grows the daemon", async (t) => {
  const daemon = await daemonProcess(t);
  const bytes = 1024 ** 3;
  const { id } = await daemon.client.shell(`head -c ${bytes} /dev/zero`);
  let sandbox: Sandbox;
  do sandbox = await daemon.client.wait(id);
  while (sandbox.state !== "finished");
  assert.deepEqual(sandbox.result, { kind: "exited", exitCode: 0 });
  const main = await daemon.client.ok<Process>("GET", `/v1/sandboxes/${id}/processes/main`);
  assert.equal(main.stdoutBytes, bytes);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1];
  assert.ok(Number(peak) < 300 * 1024, `the daemon's memory peaked at ${peak} kB`);
});

test("a reader continues at its offset after a restart and has seen each byte once", async (t) => {
  const daemon = await daemonProcess(t);
  const { id } = await daemon.client.shell(counting(2000));
  let seen = "";
  const reading = (async () => {
    const response = await daemon.client.output(id, "main");
    for await (const piece of response.body ?? []) seen += Buffer.from(piece).toString();
  })();
  const isCut = assert.rejects(reading, "a cut connection must not look like the end of the stream");
  while (seen.length < 1000) await sleep(5);
  await daemon.kill();
  await isCut;
  await daemon.restart();
  seen += await daemon.client.text(id, "main", `?offset=${seen.length}`);
  assert.equal(seen, numbers(2000));
});

test("exit codes of what ended while no daemon ran are kept", async (t) => {
  const daemon = await daemonProcess(t);
  const { id } = await daemon.client.create();
  const { id: exec } = await daemon.client.exec(id, "sh", "-c", "sleep 0.3; echo late; exit 9");
  const own = await daemon.client.shell("sleep 0.3; echo own; exit 8");
  await daemon.kill();
  await sleep(600);
  await daemon.restart();
  assert.deepEqual((await daemon.client.waitProcess(id, exec)).result, { kind: "exited", exitCode: 9 });
  assert.equal(await daemon.client.text(id, exec), "late\n");
  assert.deepEqual((await daemon.client.wait(own.id)).result, { kind: "exited", exitCode: 8 });
  assert.equal(await daemon.client.text(own.id), "own\n");
});

test("time limits of sandboxes and processes that pass while no daemon runs are enforced by the next one", async (t) => {
  const daemon = await daemonProcess(t);
  const limited = await daemon.client.create({ command: ["sleep", "1000"], timeoutMs: 500 });
  const idle = await daemon.client.create({ command: ["sleep", "1000"], idleTimeoutMs: 500 });
  const { id } = await daemon.client.create();
  const exec = await daemon.client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, {
    argv: ["sleep", "1000"],
    timeoutMs: 500,
  });
  await daemon.kill();
  await sleep(600);
  await daemon.restart();
  assert.equal((await daemon.client.wait(limited.id)).result?.kind, "timed_out");
  assert.equal((await daemon.client.wait(idle.id)).result?.kind, "idle_timed_out");
  assert.equal((await daemon.client.waitProcess(id, exec.id)).result?.kind, "timed_out");
});

test("a deadline is the same before and after a restart", async (t) => {
  const daemon = await daemonProcess(t);
  const before = await daemon.client.create({ command: ["sleep", "1000"] });
  await daemon.kill();
  await daemon.restart();
  const after = await daemon.client.ok<Sandbox>("GET", `/v1/sandboxes/${before.id}`);
  assert.ok(before.deadlineAt);
  assert.equal(after.deadlineAt, before.deadlineAt);
  assert.equal(after.state, "running");
});

test("stdin continues after a restart without a byte lost or doubled", async (t) => {
  const daemon = await daemonProcess(t);
  const { id } = await daemon.client.create({ command: ["cat"] });
  assert.deepEqual(await (await daemon.client.stdin(id, "main", "?offset=0", "first ")).json(), { offset: 6 });
  await daemon.kill();
  await daemon.restart();
  assert.deepEqual(await (await daemon.client.stdin(id, "main", "?offset=0", "first second")).json(), { offset: 12 });
  assert.equal((await daemon.client.stdin(id, "main", "?offset=12&eof=true", "")).status, 200);
  assert.deepEqual((await daemon.client.wait(id)).result, { kind: "exited", exitCode: 0 });
  assert.equal(await daemon.client.text(id), "first second");
});

test("a sandbox whose holder died while no daemon ran is lost, and says so", async (t) => {
  const daemon = await daemonProcess(t);
  const { id } = await daemon.client.create({ command: ["sleep", "1000"] });
  await daemon.kill();
  const database = new DatabaseSync(join(daemon.directory, "atoll.db"), { readOnly: true });
  const { holder } = database.prepare("SELECT holder FROM sandboxes WHERE id = ?").get(id) as { holder: string };
  database.close();
  process.kill(JSON.parse(holder).details.pid, "SIGKILL");
  await daemon.restart();
  const { result } = await daemon.client.wait(id);
  assert.equal(result?.kind, "lost");
  assert.match(result?.message ?? "", /while the server was not running/);
});

test("an idempotency key is remembered across a restart", async (t) => {
  const daemon = await daemonProcess(t);
  const key = { "idempotency-key": "k" };
  const { id } = await daemon.client.create({}, key);
  await daemon.kill();
  await daemon.restart();
  assert.equal((await daemon.client.create({}, key)).id, id);
});

test("after a daemon that was killed at any moment of many creations, each sandbox is whole or ended truthfully", async (t) => {
  const daemon = await daemonProcess(t);
  const answers = Array.from({ length: 30 }, (_, index) =>
    daemon.client.create({ command: ["sleep", "1000"] }, { "idempotency-key": `k${index}` }).catch(() => undefined),
  );
  await sleep(60);
  await daemon.kill();
  const told = (await Promise.all(answers)).filter((sandbox) => sandbox !== undefined);
  await daemon.restart();
  for (const { id } of told) {
    assert.equal((await daemon.client.ok<Sandbox>("GET", `/v1/sandboxes/${id}`)).state, "running");
  }
  const again = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      daemon.client.create({ command: ["sleep", "1000"] }, { "idempotency-key": `k${index}` }),
    ),
  );
  assert.ok(again.every(({ state }) => state === "running"));
  assert.equal(new Set(again.map(({ id }) => id)).size, 30);
});

test("a daemon that is asked to stop leaves its sandboxes running and takes its address back", async (t) => {
  const daemon = await daemonProcess(t);
  const { id } = await daemon.client.shell("sleep 0.5; echo done");
  const waiting = daemon.client.error("GET", `/v1/sandboxes/${id}/wait`);
  await sleep(50);
  const [error, exitCode] = await Promise.all([waiting, daemon.stop()]);
  assert.equal(error.code, "unavailable");
  assert.equal(exitCode, 0);
  assert.ok(!readdirSync(daemon.directory).includes("server.json"));
  await daemon.restart();
  assert.deepEqual((await daemon.client.wait(id)).result, { kind: "exited", exitCode: 0 });
  assert.equal(await daemon.client.text(id), "done\n");
});

test("a second server on the same state directory is refused", async (t) => {
  const { directory } = await testServer(t);
  await assert.rejects(testServer(t, { directory }), /another server uses the state directory/);
});

test("the values of secrets and of variables are nowhere in the state directory", async (t) => {
  const { client, directory, stop } = await testServer(t);
  const planted = "planted-9f2c1d7e4b";
  await client.ok("PUT", "/v1/secrets/key", { values: { KEY: planted } });
  const { id } = await client.create({
    secrets: ["key"],
    env: { OTHER: `${planted}-env` },
    command: ["sleep", "1000"],
  });
  const body = { argv: ["sh", "-c", 'echo "$KEY" | wc -c'], env: { MORE: `${planted}-exec` } };
  const { id: exec } = await client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, body);
  assert.equal((await client.text(id, exec)).trim(), String(planted.length + 1));
  const listed = await client.ok<{ items: unknown[] }>("GET", "/v1/secrets");
  assert.ok(!JSON.stringify(listed).includes(planted));
  await client.terminateAll();
  await stop();
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.some(({ name }) => name === "atoll.db"));
  for (const { parentPath, name } of files) {
    assert.ok(!readFileSync(join(parentPath, name)).includes(planted), `${name} has the value`);
  }
});

test("what a finished sandbox still holds when its server stops is kept from others by the next server", async (t) => {
  const first = await testServer(t, { engine: { fails: (step) => step === "destroy" } });
  const { id } = await first.client.shell("true");
  while ((await first.client.wait(id)).state !== "finished");
  await first.stop();
  const reserved: string[] = [];
  await testServer(t, { directory: first.directory, engine: { onReserve: (key) => reserved.push(key) } });
  assert.deepEqual(reserved, [id.slice(3)]);
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Process, Sandbox } from "@atoll/protocol";
import { unacknowledgedBytes } from "../../src/processes/output-log.ts";
import type { FailingStep } from "../support/plain-engine.ts";
import { testServer } from "../support/server.ts";

const events = (sandbox: Sandbox) => sandbox.timeline.map(({ event }) => event);

test("a sandbox ends with its command, whose output and exit code stay readable", async (t) => {
  const { client } = await testServer(t);
  const { id, state } = await client.shell("echo out; echo err >&2; exit 7");
  assert.equal(state, "running");
  const sandbox = await client.wait(id);
  assert.deepEqual(sandbox.result, { kind: "exited", exitCode: 7 });
  assert.equal(await client.text(id), "out\n");
  assert.equal(await client.text(id, "main", "", "stderr"), "err\n");
  assert.deepEqual(events(sandbox).slice(0, 6), ["queued", "starting", "prepared", "claimed", "set_up", "started"]);
});

test("a background process does not keep a sandbox alive whose command has ended", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.shell("sleep 1000 & echo started");
  assert.deepEqual((await client.wait(id)).result, { kind: "exited", exitCode: 0 });
  assert.equal(await client.text(id), "started\n");
});

test("a sandbox without a command runs until it is terminated, and its main process says nothing", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create();
  const main = await client.ok<Process>("GET", `/v1/sandboxes/${id}/processes/main`);
  assert.deepEqual([main.state, main.argv], ["running", []]);
  const reading = client.text(id);
  const sandbox = await client.ok<Sandbox>("POST", `/v1/sandboxes/${id}/terminate`);
  assert.deepEqual(sandbox.result, { kind: "terminated", exitCode: 137 });
  assert.equal(await reading, "");
});

test("a terminated sandbox ends all its processes, and terminating it again changes nothing", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sleep", "1000"] });
  const { id: exec } = await client.exec(id, "sleep", "1000");
  const first = await client.ok<Sandbox>("POST", `/v1/sandboxes/${id}/terminate`);
  const again = await client.ok<Sandbox>("POST", `/v1/sandboxes/${id}/terminate`);
  assert.deepEqual(again.result, first.result);
  assert.equal(again.finishedAt, first.finishedAt);
  for (const process of ["main", exec]) {
    assert.equal((await client.waitProcess(id, process)).result?.kind, "terminated");
  }
  assert.equal(
    (await client.error("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] })).code,
    "sandbox_finished",
  );
});

test("a sandbox that reaches its time limit ends as timed out, with 124, and so does an idle one", async (t) => {
  const { client } = await testServer(t);
  const limited = await client.create({ command: ["sleep", "1000"], timeoutMs: 100 });
  const idle = await client.create({ command: ["sleep", "1000"], idleTimeoutMs: 100 });
  const timedOut = (await client.wait(limited.id)).result;
  assert.deepEqual([timedOut?.kind, timedOut?.exitCode], ["timed_out", 124]);
  const idled = (await client.wait(idle.id)).result;
  assert.deepEqual([idled?.kind, idled?.exitCode], ["idle_timed_out", 124]);
});

test("a running exec and bytes for stdin keep a sandbox from being idle", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["cat"], idleTimeoutMs: 1500 });
  const { id: exec } = await client.exec(id, "sleep", "2");
  await client.waitProcess(id, exec);
  for (let index = 0; index < 4; index += 1) {
    await sleep(500);
    assert.equal((await client.stdin(id, "main", "", "x")).status, 200);
  }
  assert.equal((await client.wait(id)).result?.kind, "idle_timed_out");
  assert.equal(await client.text(id), "xxxx");
});

test("a process that reaches its own time limit is killed with its group; the sandbox goes on", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create();
  const { id: exec } = await client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, {
    argv: ["sh", "-c", "sleep 1000 & sleep 1000"],
    timeoutMs: 100,
  });
  const { result } = await client.waitProcess(id, exec);
  assert.deepEqual([result?.kind, result?.exitCode], ["timed_out", 124]);
  assert.equal(await client.text(id, exec), "");
  assert.equal((await client.ok<Sandbox>("GET", `/v1/sandboxes/${id}`)).state, "running");
});

test("a signalled process tells which signal, with 128 and its number", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create();
  const { id: exec } = await client.exec(id, "sleep", "1000");
  await client.ok("POST", `/v1/sandboxes/${id}/processes/${exec}/signal`, { signal: "SIGTERM" });
  assert.deepEqual((await client.waitProcess(id, exec)).result, {
    kind: "signalled",
    exitCode: 143,
    signal: "SIGTERM",
  });
});

test("a process killed while the kernel counted one for want of memory is out of memory; one killed without that is not", async (t) => {
  let oomKills = 0;
  const { client } = await testServer(t, { engine: { oomKills: () => oomKills } });
  const { id } = await client.create();
  const kill = async () => {
    const { id: exec } = await client.exec(id, "sh", "-c", "kill -9 $$");
    return (await client.waitProcess(id, exec)).result?.kind;
  };
  assert.equal(await kill(), "signalled");
  oomKills = 1;
  assert.equal(await kill(), "out_of_memory");
  assert.equal(await kill(), "signalled");
});

test("a command that is missing or cannot be executed fails to start with 127 or 126, and says why", async (t) => {
  const { client } = await testServer(t);
  const missing = await client.create({ command: ["/no/such/program"] });
  assert.deepEqual(
    [missing.state, missing.result?.kind, missing.result?.exitCode],
    ["finished", "failed_to_start", 127],
  );
  assert.match(missing.result?.message ?? "", /cannot start "\/no\/such\/program".*ENOENT/);
  const { id } = await client.create();
  const exec = await client.exec(id, "/etc/passwd");
  assert.deepEqual([exec.state, exec.result?.kind, exec.result?.exitCode], ["finished", "failed_to_start", 126]);
});

for (const step of ["prepare", "claim"] as const) {
  test(`a ${step} that fails is an error with a truthful timeline, and leaves nothing behind`, async (t) => {
    const failing = new Set<FailingStep>([step]);
    const { client, directory } = await testServer(t, { engine: { fails: (name) => failing.has(name) } });
    const error = await client.error("POST", "/v1/sandboxes", { command: ["true"] });
    assert.equal(error.code, "failed_to_start");
    assert.match(error.message, new RegExp(`the ${step} step was made to fail`));
    const [sandbox] = (await client.ok<{ items: Sandbox[] }>("GET", "/v1/sandboxes?all=true")).items;
    assert.equal(sandbox?.result?.kind, "failed_to_start");
    assert.equal(sandbox && events(sandbox).includes("prepared"), step === "claim");
    failing.clear();
    while (readdirSync(join(directory, "run")).length > 0) await sleep(10);
    assert.equal((await client.wait((await client.create({ command: ["true"] })).id)).result?.exitCode, 0);
  });
}

test("a removal that fails is tried again until it succeeds", async (t) => {
  let failures = 2;
  const { client, directory } = await testServer(t, {
    engine: { fails: (step) => step === "destroy" && failures-- > 0 },
  });
  const { id } = await client.create({ command: ["true"] });
  await client.wait(id);
  while (readdirSync(join(directory, "run")).length > 0) await sleep(20);
  assert.ok(failures < 0);
  assert.ok(events(await client.ok<Sandbox>("GET", `/v1/sandboxes/${id}`)).includes("removed"));
});

test("repeating a creation with its key gives the same sandbox, at once and later; another request is refused", async (t) => {
  const { client } = await testServer(t, { engine: { prepareMs: 50 } });
  const key = { "idempotency-key": "one" };
  const [first, second] = await Promise.all([client.create({}, key), client.create({}, key)]);
  const third = await client.create({}, key);
  assert.deepEqual([second.id, third.id], [first.id, first.id]);
  assert.equal((await client.error("POST", "/v1/sandboxes", { cpu: 1 }, key)).code, "idempotency_mismatch");
  assert.notEqual((await client.create({}, { "idempotency-key": "two" })).id, first.id);
  assert.notEqual((await client.create({})).id, first.id);
});

test("repeating the creation of a volume with its key gives the same volume; another request is refused", async (t) => {
  const { client } = await testServer(t);
  const key = { "idempotency-key": "one" };
  const create = (headers: Record<string, string>, body: object = {}) =>
    client.ok<{ id: string }>("POST", "/v1/volumes", body, headers);
  const made = [...(await Promise.all([create(key), create(key)])), await create(key)];
  assert.equal(new Set(made.map(({ id }) => id)).size, 1);
  assert.equal((await client.error("POST", "/v1/volumes", { name: "n" }, key)).code, "idempotency_mismatch");
  assert.notEqual((await create({})).id, made[0]?.id);
});

test("repeating an exec with its key runs the command once", async (t) => {
  const { client, directory } = await testServer(t);
  const { id } = await client.create();
  const file = join(directory, "ran");
  const body = { argv: ["sh", "-c", `echo x >> ${file}`] };
  const exec = () => client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, body, { "idempotency-key": "k" });
  const made = [...(await Promise.all([exec(), exec()])), await exec()];
  assert.equal(new Set(made.map((process) => process.id)).size, 1);
  await client.waitProcess(id, made[0]?.id ?? "");
  assert.equal(readFileSync(file, "utf8"), "x\n");
});

test("a name belongs to one running sandbox of an app, and is free again afterwards", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ name: "web" });
  assert.equal((await client.error("POST", "/v1/sandboxes", { name: "web" })).code, "conflict");
  await client.ok("POST", "/v1/apps/lookup", { name: "other", createIfMissing: true });
  await client.create({ name: "web", app: "other" });
  await client.ok("POST", `/v1/sandboxes/${id}/terminate`);
  const again = await client.create({ name: "web" });
  const { items } = await client.ok<{ items: Sandbox[] }>("GET", "/v1/sandboxes?name=web&app=default");
  assert.deepEqual(
    items.map((item) => item.id),
    [again.id],
  );
});

test("beyond its capacity a server refuses, until a sandbox has ended", async (t) => {
  const { client } = await testServer(t, { env: { ATOLL_MAX_SANDBOXES: "2" } });
  const { id } = await client.create();
  await client.create();
  const answer = await client.call("POST", "/v1/sandboxes", {});
  assert.equal(answer.status, 429);
  await client.ok("POST", `/v1/sandboxes/${id}/terminate`);
  await client.create();
});

test("creations beyond the number at once wait for their turn and all succeed", async (t) => {
  const { client } = await testServer(t, { env: { ATOLL_MAX_CREATING: "1" }, engine: { prepareMs: 20 } });
  const made = await Promise.all(Array.from({ length: 5 }, () => client.create({ command: ["true"] })));
  assert.equal(new Set(made.map(({ id }) => id)).size, 5);
});

test("a sandbox whose caller went away while it was made ends, unless the caller can come back for it", async (t) => {
  const { client } = await testServer(t, { engine: { prepareMs: 1000 } });
  const all = async () => (await client.ok<{ items: Sandbox[] }>("GET", "/v1/sandboxes?all=true")).items;
  const leave = async (headers: Record<string, string>) => {
    const before = (await all()).length;
    const leaving = new AbortController();
    const init = { method: "POST", body: "{}", headers: { ...headers, "content-type": "application/json" } };
    const request = client.fetch("/v1/sandboxes", { ...init, signal: leaving.signal });
    while ((await all()).length === before) await sleep(10);
    leaving.abort();
    await assert.rejects(request);
  };
  await leave({});
  await leave({ "idempotency-key": "back" });
  const states = async () => (await all()).map(({ state }) => state);
  while (!isDeepStrictEqual(await states(), ["running", "finished"])) await sleep(20);
  assert.equal((await all())[1]?.result?.kind, "terminated");
});

test("an init that breaks the protocol ends its own sandbox only", async (t) => {
  const { client, directory } = await testServer(t);
  const broken = await client.create({ command: ["sleep", "1000"] });
  const other = await client.create({ command: ["sleep", "1000"] });
  const socket = connect(join(directory, "run", broken.id.slice(3), "control.sock"));
  socket.on("error", () => undefined);
  socket.write(Buffer.from("ffffffffffffffff", "hex"));
  const { result } = await client.wait(broken.id);
  assert.equal(result?.kind, "lost");
  assert.match(result?.message ?? "", /broke the protocol/);
  assert.equal((await client.ok<Sandbox>("GET", `/v1/sandboxes/${other.id}`)).state, "running");
});

test("the death of init is told as what it was", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sleep", "1000"] });
  const { id: exec } = await client.exec(id, "sh", "-c", "echo before; sleep 1000");
  while ((await client.text(id, exec, "?follow=false")) === "") await sleep(10);
  const { id: probe } = await client.exec(id, "cat", "/proc/self/stat");
  const parent = Number((await client.text(id, probe)).split(" ")[3]);
  process.kill(parent, "SIGKILL");
  const { result } = await client.wait(id);
  assert.deepEqual([result?.kind, result?.exitCode, result?.signal], ["signalled", 137, "SIGKILL"]);
  assert.equal(await client.text(id, exec), "before\n");
});

test("tags are set, replaced and found by", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ tags: { team: "a", kind: "x" } });
  await client.create({ tags: { team: "b" } });
  const found = async (query: string) =>
    (await client.ok<{ items: Sandbox[] }>("GET", `/v1/sandboxes?${query}`)).items.map((item) => item.id);
  assert.deepEqual(await found("tag=team%3Da"), [id]);
  assert.deepEqual(await found("tag=team%3Da&tag=kind%3Dy"), []);
  await client.ok("PUT", `/v1/sandboxes/${id}/tags`, { tags: { kind: "y" } });
  assert.deepEqual(await found("tag=kind%3Dy"), [id]);
  await client.ok("POST", `/v1/sandboxes/${id}/terminate`);
  await client.ok("PUT", `/v1/sandboxes/${id}/tags`, { tags: { kind: "z" } });
  assert.deepEqual(await found("tag=kind%3Dz"), []);
  assert.deepEqual(await found("tag=kind%3Dz&all=true"), [id]);
});

test("lists go from new to old, page by page, over running and finished ones", async (t) => {
  const { client } = await testServer(t);
  const made: string[] = [];
  for (let index = 0; index < 5; index += 1) made.unshift((await client.create()).id);
  for (const id of [made[0], made[3]]) await client.ok("POST", `/v1/sandboxes/${id}/terminate`);
  const seen: string[] = [];
  let cursor = "";
  do {
    const query = `all=true&limit=2${cursor && `&cursor=${cursor}`}`;
    const page = await client.ok<{ items: Sandbox[]; nextCursor?: string }>("GET", `/v1/sandboxes?${query}`);
    seen.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor ?? "";
  } while (cursor);
  assert.deepEqual(seen, made);
});

test("a readiness probe is run until it passes, by port and by command", async (t) => {
  const { client, directory } = await testServer(t);
  const file = join(directory, "ready");
  const byCommand = await client.create({ readinessProbe: { exec: ["test", "-e", file], intervalMs: 20 } });
  assert.equal(byCommand.readyAt, undefined);
  const early = await client.ok<Sandbox>("GET", `/v1/sandboxes/${byCommand.id}/ready?timeoutMs=100`);
  assert.equal(early.readyAt, undefined);
  await client.exec(byCommand.id, "touch", file);
  assert.ok((await client.ok<Sandbox>("GET", `/v1/sandboxes/${byCommand.id}/ready`)).readyAt);
  const { port } = new URL(client.url);
  const byPort = await client.create({ readinessProbe: { tcpPort: Number(port), intervalMs: 20 } });
  assert.ok((await client.ok<Sandbox>("GET", `/v1/sandboxes/${byPort.id}/ready`)).readyAt);
  const processes = await client.ok<{ items: Process[] }>("GET", `/v1/sandboxes/${byCommand.id}/processes`);
  assert.deepEqual(
    processes.items.map(({ argv }) => argv[0]),
    [undefined, "touch"],
  );
});

test("variables come from the image, then secrets, then the request, and exec adds its own", async (t) => {
  const { client } = await testServer(t);
  await client.ok("PUT", "/v1/secrets/one", { values: { A: "secret", B: "secret" } });
  await client.ok("PUT", "/v1/secrets/two", { values: { B: "second" } });
  const { id } = await client.create({ secrets: ["one", "two"], env: { A: "request" } });
  const { id: exec } = await client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, {
    argv: ["sh", "-c", 'echo "$FROM_IMAGE $A $B $C $(pwd)"'],
    env: { C: "exec" },
    workdir: "/tmp",
  });
  assert.equal(await client.text(id, exec), "yes request second exec /tmp\n");
  assert.equal((await client.error("POST", "/v1/sandboxes", { secrets: ["none"] })).code, "not_found");
});

test("output beyond the limit holds the process back, says so, and ends with the sandbox", async (t) => {
  const { client } = await testServer(t, { env: { ATOLL_OUTPUT_LIMIT: "100000" } });
  const { id } = await client.create({ command: ["sh", "-c", "yes; echo never"] });
  let main: Process;
  do main = await client.ok<Process>("GET", `/v1/sandboxes/${id}/processes/main`);
  while (!main.outputLimited);
  await client.ok("POST", `/v1/sandboxes/${id}/terminate`);
  const text = await client.text(id);
  assert.ok(text.length >= 100_000 && text.length <= 100_000 + unacknowledgedBytes);
  assert.match(text, /^(y\n)+y?$/);
});

test("finished sandboxes beyond the number to keep are forgotten together with their output", async (t) => {
  const { client, directory, stop } = await testServer(t);
  const made = [];
  for (let index = 0; index < 3; index += 1) {
    const { id } = await client.shell(`echo ${index}`);
    await client.wait(id);
    made.push(id);
  }
  await stop();
  const again = await testServer(t, { directory, env: { ATOLL_KEEP_FINISHED: "1" } });
  while (readdirSync(join(directory, "output")).length > 1) await sleep(10);
  const { items } = await again.client.ok<{ items: Sandbox[] }>("GET", "/v1/sandboxes?all=true");
  assert.deepEqual(
    items.map((item) => item.id),
    [made[2]],
  );
  assert.equal(await again.client.text(made[2] ?? ""), "2\n");
});

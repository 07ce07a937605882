import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import * as sdk from "@atoll/sdk";
import { App, Client, defaultClient, Sandbox, Secret } from "@atoll/sdk";
import { useServer } from "../support/server.ts";

useServer();

const app = "sdk-sandbox";
before(() => App.lookup(app, { createIfMissing: true }));

test("a sandbox's command runs with its env, secrets, workdir and user", async () => {
  await Secret.put("sdk-sandbox-secret", { FROM_SERVER: "s", BOTH: "s" });
  await using sandbox = await Sandbox.create("sh", "-c", 'echo "$A $FROM_SERVER $BOTH $LOCAL $(pwd) $(id -u)"', {
    app,
    env: { A: "1" },
    secrets: ["sdk-sandbox-secret", Secret.fromObject({ LOCAL: "l", BOTH: "l" })],
    workdir: "/tmp",
    user: "1000",
  });
  assert.equal(await sandbox.stdout.read(), "1 s l l /tmp 1000\n");
  const listed = await Secret.list();
  assert.deepEqual(listed.find(({ name }) => name === "sdk-sandbox-secret")?.keys.toSorted(), ["BOTH", "FROM_SERVER"]);
  await Secret.delete("sdk-sandbox-secret");
  await assert.rejects(Sandbox.create("true", { app, secrets: ["sdk-sandbox-secret"] }), sdk.NotFoundError);
});

test("keys of a secret are changed one by one, and a look-up insists on those that are needed", async () => {
  await Secret.put("sdk-keys", { A: "1", B: "2" });
  const { keys } = await Secret.update("sdk-keys", { A: null, C: "3" });
  assert.deepEqual(keys, ["B", "C"]);
  const secret = await Secret.lookup("sdk-keys", { requiredKeys: ["C"] });
  await using sandbox = await Sandbox.create("sh", "-c", 'echo "$A,$B,$C"', { app, secrets: [secret] });
  assert.equal(await sandbox.stdout.read(), ",2,3\n");
  await assert.rejects(Secret.lookup("sdk-keys", { requiredKeys: ["B", "A", "D"] }), (error) => {
    assert.ok(error instanceof sdk.ConflictError);
    assert.match(error.message, /has no A, D/);
    return true;
  });
  await Secret.delete("sdk-keys");
  await assert.rejects(Secret.lookup("sdk-keys"), sdk.NotFoundError);
  await assert.rejects(Secret.update("sdk-keys", { A: "1" }), sdk.NotFoundError);
});

test("a secret is read from a dotenv file, and its values stay with the program", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "atoll-dotenv-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, ".env"), "# comment\nTOKEN='a b'\nEMPTY=\n");
  const secret = await Secret.fromDotenv(join(directory, ".env"));
  await using sandbox = await Sandbox.create("printenv", "TOKEN", "EMPTY", { app, secrets: [secret] });
  assert.equal(await sandbox.stdout.read(), "a b\n\n");
  assert.ok(!JSON.stringify(secret).includes("a b"));
});

test("output of a finished sandbox is read as often as wanted", async () => {
  const sandbox = await Sandbox.create("sh", "-c", "echo kept; echo also >&2", { app });
  assert.equal((await sandbox.wait()).returncode, 0);
  for (let i = 0; i < 2; i++) assert.equal(await sandbox.stdout.from(0).read(), "kept\n");
  assert.equal(await (await Sandbox.fromId(sandbox.id)).stderr.read(), "also\n");
});

test("another program continues the output where this one stopped", async () => {
  await using sandbox = await Sandbox.create("sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done", { app });
  for await (const line of sandbox.stdout) if (line === "2") break;
  const program = `
    import { Sandbox } from "@atoll/sdk";
    const sandbox = await Sandbox.fromId(process.argv[1]);
    process.stdout.write(await sandbox.stdout.from(Number(process.argv[2])).read());
  `;
  const args = ["--input-type=module", "-e", program, sandbox.id, String(sandbox.stdout.offset)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.equal(stdout, "3\n4\n5\n6\n");
});

test("a time limit, an idle limit and a termination are told apart", async () => {
  const limited = await Sandbox.create("sleep", "1000", { app, timeoutMs: 500 });
  const idle = await Sandbox.create({ app, idleTimeoutMs: 500 });
  const ended = await Sandbox.create("sleep", "1000", { app });
  await ended.terminate();
  await ended.terminate();
  const kind = (sandbox: Sandbox) =>
    sandbox.wait().catch((error) => [error.constructor.name, error.result.kind, error.result.exitCode]);
  assert.deepEqual(await kind(limited), ["SandboxTimeoutError", "timed_out", 124]);
  assert.deepEqual(await kind(idle), ["SandboxTimeoutError", "idle_timed_out", 124]);
  assert.deepEqual(await kind(ended), ["SandboxTerminatedError", "terminated", 137]);
  assert.equal(await ended.poll(), 137);
});

test("a signal that ends the command is told with its name", async () => {
  const sandbox = await Sandbox.create("sh", "-c", "kill -USR1 $$; sleep 5", { app });
  const { kind, signal, returncode } = await sandbox.wait();
  assert.deepEqual([kind, signal, returncode], ["signalled", "SIGUSR1", 138]);
});

test("a name is taken until its sandbox has finished", async () => {
  const name = `name-${process.pid}`;
  const first = await Sandbox.create({ app, name });
  await assert.rejects(Sandbox.create({ app, name }), sdk.ConflictError);
  assert.equal((await Sandbox.fromName(app, name)).id, first.id);
  await first.terminate();
  await first.wait({ raiseOnTermination: false });
  await assert.rejects(Sandbox.fromName(app, name), sdk.NotFoundError);
  await using second = await Sandbox.create({ app, name });
  assert.notEqual(second.id, first.id);
});

test("a running sandbox takes another name, unless that is taken or the sandbox has finished", async () => {
  const names = ["old", "new", "other"].map((word) => `${word}-${process.pid}`);
  const [before = "", after = "", taken = ""] = names;
  await using sandbox = await Sandbox.create({ app, name: before });
  await using other = await Sandbox.create({ app, name: taken });
  await sandbox.setName(after);
  assert.equal(sandbox.lastInfo.name, after);
  assert.equal((await Sandbox.fromName(app, after)).id, sandbox.id);
  await assert.rejects(Sandbox.fromName(app, before), sdk.NotFoundError);
  await sandbox.setName(after);
  await assert.rejects(sandbox.setName(taken), sdk.ConflictError);
  await assert.rejects(sandbox.setName("no spaces"), sdk.InvalidError);
  await other.terminate();
  await assert.rejects(other.setName("late"), sdk.ConflictError);
  await sandbox.setName(taken);
});

test("sandboxes are listed by app, tags and state, newest first", async () => {
  const run = `${process.pid}-${Math.random()}`;
  const made: Sandbox[] = [];
  for (const part of ["a", "b", "c"]) made.push(await Sandbox.create({ app, tags: { run, part } }));
  const ids = async (options: sdk.SandboxListOptions) =>
    (await Array.fromAsync(Sandbox.list({ app, ...options }))).map(({ id }) => id);
  assert.deepEqual(await ids({ tags: { run } }), made.map(({ id }) => id).toReversed());
  assert.deepEqual(await ids({ tags: { run, part: "b" } }), [made[1]?.id]);
  assert.deepEqual(await ids({ tags: { run }, app: "default" }), []);
  await made[0]?.setTags({ run, part: "z" });
  assert.deepEqual(await ids({ tags: { run, part: "z" } }), [made[0]?.id]);
  await Promise.all(made.map((sandbox) => sandbox.terminate()));
  await Promise.all(made.map((sandbox) => sandbox.wait({ raiseOnTermination: false })));
  assert.deepEqual(await ids({ tags: { run } }), []);
  assert.equal((await ids({ tags: { run }, all: true })).length, 3);
});

test("an app is found or made, and a missing one is a NotFoundError", async () => {
  const name = `app-${process.pid}`;
  await assert.rejects(App.lookup(name), sdk.NotFoundError);
  const made = await App.lookup(name, { createIfMissing: true });
  assert.deepEqual((await App.lookup(name)).id, made.id);
  assert.ok((await App.list()).some(({ id }) => id === made.id));
});

test("limits hold as asked and are told", async () => {
  await using sandbox = await Sandbox.create({ app, cpu: 0.5, memory: "128MiB", pidsLimit: 20, openFilesLimit: 77 });
  const { cpu, memoryBytes, pidsLimit, openFilesLimit } = await sandbox.info();
  assert.deepEqual([cpu, memoryBytes, pidsLimit, openFilesLimit], [0.5, 2 ** 27, 20, 77]);
  const process = await sandbox.exec("sh", "-c", "ulimit -n");
  assert.equal(await process.stdout.read(), "77\n");
});

test("waitUntilReady waits for a probe that runs a command", async () => {
  await using sandbox = await Sandbox.create("sh", "-c", "sleep 0.3; touch /tmp/ready; sleep 1000", {
    app,
    readinessProbe: { exec: ["test", "-e", "/tmp/ready"], intervalMs: 50 },
  });
  await sandbox.waitUntilReady({ timeoutMs: 30_000 });
  assert.notEqual(sandbox.lastInfo.readyAt, undefined);
});

test("waitUntilReady says so when the sandbox ends before, and when it takes too long", async () => {
  const short = await Sandbox.create("sh", "-c", "exit 9", { app, readinessProbe: { tcpPort: 1 } });
  await assert.rejects(short.waitUntilReady(), /exit code 9/);
  await using slow = await Sandbox.create("sleep", "1000", { app, readinessProbe: { tcpPort: 1 } });
  await assert.rejects(slow.waitUntilReady({ timeoutMs: 200 }), sdk.TimeoutError);
});

test("the timeline says what happened in order", async () => {
  const sandbox = await Sandbox.create("true", { app });
  await sandbox.wait();
  const { timeline, result, startedAt, finishedAt } = await sandbox.info();
  assert.equal(result?.kind, "exited");
  assert.ok(timeline.length >= 3);
  const times = timeline.map(({ at }) => Date.parse(at));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.ok(Date.parse(startedAt ?? "") <= Date.parse(finishedAt ?? ""));
});

test("wrong values are InvalidErrors of the server, and an unknown image a NotFoundError", async () => {
  await assert.rejects(Sandbox.create("true", { app, timeoutMs: -1 }), sdk.InvalidError);
  await assert.rejects(Sandbox.create("true", { app, workdir: "relative" }), sdk.InvalidError);
  await assert.rejects(Sandbox.create("true", { app, image: "no-such-image" }), sdk.NotFoundError);
  await assert.rejects(Sandbox.create("true", { app, gpu: "A100" }), sdk.UnsupportedError);
  await assert.rejects(Sandbox.fromId("sb-0000000000000000000000"), sdk.NotFoundError);
});

test("a wrong token is an AuthenticationError", async () => {
  const { baseUrl } = await defaultClient().endpoint();
  const client = new Client({ baseUrl, token: "wrong" });
  await assert.rejects(client.request("status", {}), sdk.AuthenticationError);
});

test("a wait that is aborted leaves the sandbox running", async () => {
  await using sandbox = await Sandbox.create("sleep", "1000", { app });
  await assert.rejects(sandbox.wait({ signal: AbortSignal.timeout(100) }), sdk.TimeoutError);
  await assert.rejects(sandbox.wait({ timeoutMs: 100 }), sdk.TimeoutError);
  assert.equal(await sandbox.poll(), null);
});

test("without a command a sandbox idles, and its output is empty", async () => {
  await using sandbox = await Sandbox.create({ app });
  const process = await sandbox.exec("echo", "alive");
  assert.equal(await process.stdout.read(), "alive\n");
  await sandbox.terminate();
  assert.equal(await sandbox.stdout.read(), "");
});

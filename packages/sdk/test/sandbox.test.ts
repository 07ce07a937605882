import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import type { Sandbox as Info, Result } from "../src/generated/api.ts";
import * as sdk from "../src/index.ts";
import {
  type Answer,
  type Answers,
  failWith,
  fakeServer,
  inTurn,
  json,
  output,
  processId,
  processInfo,
  sandboxId,
  sandboxInfo,
} from "./fake-server.ts";

const { InvalidError, Sandbox, Secret } = sdk;

const sandbox =
  (fields: Partial<Info> = {}, status = 200): Answer =>
  ({ response }) =>
    json(response, status, sandboxInfo(fields));

async function serverWith(t: TestContext, answers: Answers = {}) {
  const server = await fakeServer(t, {
    createSandbox: sandbox({}, 201),
    getSandbox: sandbox(),
    exec: ({ response }) => json(response, 201, processInfo()),
    ...answers,
  });
  const body = (index: number) => JSON.parse(server.received[index]?.body.toString() ?? "");
  return { ...server, body };
}

test("a command is given as strings or as an array, with or without options", async (t) => {
  const server = await serverWith(t);
  const { client } = server;
  await Sandbox.create("echo", "hi", { client, cpu: 0.5 });
  await Sandbox.create(["echo", "hi"], { client });
  await Sandbox.create({ client });
  const made = await Sandbox.create(["echo"], { client });
  await made.exec("ls", "-l");
  await made.exec(["ls", "-l"], { workdir: "/tmp" });
  await made.exec("ls", { stdin: false });
  assert.deepEqual(
    server.received.map((_, index) => server.body(index)),
    [
      { command: ["echo", "hi"], cpu: 0.5 },
      { command: ["echo", "hi"] },
      {},
      { command: ["echo"] },
      { argv: ["ls", "-l"] },
      { argv: ["ls", "-l"], workdir: "/tmp" },
      { argv: ["ls"], stdin: false },
    ],
  );
});

test("every option reaches the server under its name there", async (t) => {
  const server = await serverWith(t, {
    lookupApp: ({ response }) => json(response, 200, { id: "ap-0", name: "my-app", createdAt: "2030-01-01T00:00:00Z" }),
  });
  const { client } = server;
  const app = await sdk.App.lookup("my-app", { createIfMissing: true, client });
  assert.deepEqual(server.body(0), { name: "my-app", createIfMissing: true });
  await Sandbox.create("sh", {
    client,
    app,
    name: "box",
    tags: { a: "1" },
    image: "base",
    isolation: "gvisor",
    workdir: "/srv",
    user: "1000:1000",
    env: { A: "1" },
    secrets: ["named"],
    pty: true,
    cpu: 2,
    memory: "512MiB",
    pidsLimit: 64,
    openFilesLimit: 256,
    disk: "1.5GB",
    gpu: "A100:2",
    timeoutMs: 1000,
    idleTimeoutMs: 500,
    blockNetwork: true,
    readinessProbe: { tcpPort: 80 },
  });
  assert.deepEqual(server.body(1), {
    command: ["sh"],
    app: "my-app",
    name: "box",
    tags: { a: "1" },
    image: "base",
    isolation: "gvisor",
    workdir: "/srv",
    user: "1000:1000",
    env: { A: "1" },
    secrets: ["named"],
    pty: { rows: 24, cols: 80 },
    cpu: 2,
    memoryBytes: 536_870_912,
    pidsLimit: 64,
    openFilesLimit: 256,
    diskBytes: 1_500_000_000,
    gpu: "A100:2",
    timeoutMs: 1000,
    idleTimeoutMs: 500,
    blockNetwork: true,
    readinessProbe: { tcpPort: 80 },
  });
});

test("an option that does not exist is an InvalidError that names it, and nothing is sent", async (t) => {
  const server = await serverWith(t);
  const { client } = server;
  const wrong = { client, ports: [8000] } as sdk.SandboxCreateOptions;
  await assert.rejects(Sandbox.create("true", wrong), (error) => {
    assert.ok(error instanceof InvalidError);
    assert.match(error.message, /no option ports/);
    assert.match(error.hint, /timeoutMs/);
    return true;
  });
  assert.equal(server.received.length, 0);
  const made = await Sandbox.create({ client });
  await assert.rejects(made.exec("true", { cwd: "/" } as sdk.ExecOptions), /no option cwd/);
});

test("a command that is not strings, and exec without one, are InvalidErrors", async (t) => {
  const { client } = await serverWith(t);
  await assert.rejects(Sandbox.create("sleep", 5 as unknown as string, { client }), InvalidError);
  const made = await Sandbox.create({ client });
  await assert.rejects(made.exec(), InvalidError);
  await assert.rejects(made.exec([]), InvalidError);
});

test("sizes are bytes or text with a unit, and anything else is an InvalidError", async (t) => {
  const { client } = await serverWith(t);
  for (const memory of ["512", "lots", "1 gallon", "-1MiB", ""]) {
    await assert.rejects(Sandbox.create({ client, memory }), InvalidError, memory);
  }
  await assert.rejects(Sandbox.create({ client, memory: "1GiB", memoryBytes: 5 }), InvalidError);
});

test("values of Secret.fromObject go into the environment, below env and above earlier ones", async (t) => {
  const server = await serverWith(t);
  const secrets = [
    Secret.fromName("kept"),
    Secret.fromObject({ A: "1", B: "1", C: "1" }),
    Secret.fromObject({ B: "2", C: "2" }),
  ];
  await Sandbox.create({ client: server.client, secrets, env: { C: "3" } });
  assert.deepEqual(server.body(0), { secrets: ["kept"], env: { A: "1", B: "2", C: "3" } });
});

test("printing a secret does not show its values", () => {
  const secret = Secret.fromObject({ KEY: "hunter2" });
  assert.doesNotMatch(inspect(secret, { depth: 5, showHidden: true }) + JSON.stringify(secret), /hunter2/);
});

const finished = (result: Result): Answer => sandbox({ state: "finished", result });

test("wait returns the result of any exit code, with returncode", async (t) => {
  const { client } = await serverWith(t, { waitSandbox: finished({ kind: "exited", exitCode: 3 }) });
  const made = await Sandbox.create("false", { client });
  assert.equal(made.returncode, null);
  assert.deepEqual(await made.wait(), { kind: "exited", exitCode: 3, returncode: 3 });
  assert.equal(made.returncode, 3);
});

test("wait asks again until the sandbox has finished", async (t) => {
  const server = await serverWith(t, {
    waitSandbox: inTurn(sandbox(), sandbox(), finished({ kind: "signalled", exitCode: 143, signal: "SIGTERM" })),
  });
  const made = await Sandbox.create("true", { client: server.client });
  assert.equal((await made.wait()).signal, "SIGTERM");
  assert.equal(server.received.filter(({ operation }) => operation === "waitSandbox").length, 3);
});

test("wait throws for time limits and termination, with the result", async (t) => {
  const { client } = await serverWith(t, {
    waitSandbox: inTurn(
      finished({ kind: "timed_out", exitCode: 124 }),
      finished({ kind: "idle_timed_out", exitCode: 124 }),
      finished({ kind: "terminated", exitCode: 137 }),
    ),
  });
  const made = await Sandbox.create("true", { client });
  const thrown = (): Promise<unknown> => made.wait().catch((error) => error);
  const first = await thrown();
  assert.ok(first instanceof sdk.SandboxTimeoutError && first.result.kind === "timed_out");
  assert.ok(first instanceof sdk.TimeoutError);
  const second = await thrown();
  assert.ok(second instanceof sdk.SandboxTimeoutError && second.result.kind === "idle_timed_out");
  const third = await thrown();
  assert.ok(third instanceof sdk.SandboxTerminatedError && third.result.exitCode === 137);
  assert.equal((await made.wait({ raiseOnTermination: false })).returncode, 137);
});

test("wait gives up after its own timeoutMs with TimeoutError, and asks the server for no longer than that", async (t) => {
  const server = await serverWith(t, { waitSandbox: sandbox() });
  const made = await Sandbox.create("true", { client: server.client });
  const error = await made.wait({ timeoutMs: 20 }).catch((thrown) => thrown);
  assert.equal(error.constructor, sdk.TimeoutError);
  for (const { operation, query } of server.received) {
    if (operation === "waitSandbox") assert.ok(Number(query.get("timeoutMs")) <= 20);
  }
});

test("a process's wait throws ExecTimeoutError for its time limit and returns what a signal did", async (t) => {
  const { client } = await serverWith(t, {
    waitProcess: inTurn(
      ({ response }) => json(response, 200, processInfo({ result: { kind: "timed_out", exitCode: 124 } })),
      ({ response }) =>
        json(response, 200, processInfo({ result: { kind: "signalled", exitCode: 137, signal: "SIGKILL" } })),
    ),
  });
  const made = await Sandbox.create({ client });
  const process = await made.exec("sleep", "9", { timeoutMs: 5 });
  await assert.rejects(process.wait(), sdk.ExecTimeoutError);
  assert.equal(process.returncode, 124);
  assert.deepEqual(await process.wait(), { kind: "signalled", exitCode: 137, signal: "SIGKILL", returncode: 137 });
});

test("poll gives null while it runs and then the exit code", async (t) => {
  const { client } = await serverWith(t, { getSandbox: inTurn(sandbox(), finished({ kind: "exited", exitCode: 0 })) });
  const made = await Sandbox.create({ client });
  assert.equal(await made.poll(), null);
  assert.equal(await made.poll(), 0);
});

test("kill does nothing to a process that has ended", async (t) => {
  const server = await serverWith(t, { signalProcess: failWith("process_finished", 409) });
  const process = await (await Sandbox.create({ client: server.client })).exec("true");
  await process.kill("SIGTERM");
  assert.deepEqual(server.body(2), { signal: "SIGTERM" });
});

test("leaving an await using block terminates the sandbox unless it was detached", async (t) => {
  const server = await serverWith(t, { terminateSandbox: sandbox() });
  const terminated = () => server.received.filter(({ operation }) => operation === "terminateSandbox").length;
  {
    await using kept = await Sandbox.create({ client: server.client });
    kept.detach();
  }
  assert.equal(terminated(), 0);
  await assert.rejects(async () => {
    await using _box = await Sandbox.create({ client: server.client });
    throw new Error("the program's own");
  }, /the program's own/);
  assert.equal(terminated(), 1);
});

test("list fetches page after page and filters by app and tags", async (t) => {
  const page = (items: number, nextCursor?: string): Answer => {
    const infos = Array.from({ length: items }, (_, index) => sandboxInfo({ name: `${nextCursor}-${index}` }));
    return ({ response }) => json(response, 200, { items: infos, nextCursor });
  };
  const server = await serverWith(t, { listSandboxes: inTurn(page(2, "b"), page(0, "c"), page(1)) });
  const found = await Array.fromAsync(Sandbox.list({ app: "x", tags: { a: "1", b: "p=q" }, client: server.client }));
  assert.deepEqual(
    found.map(({ lastInfo }) => lastInfo.name),
    ["b-0", "b-1", "undefined-0"],
  );
  assert.deepEqual(
    server.received.map(({ query }) => query.toString()),
    [
      "app=x&tag=a%3D1&tag=b%3Dp%3Dq",
      "app=x&tag=a%3D1&tag=b%3Dp%3Dq&cursor=b",
      "app=x&tag=a%3D1&tag=b%3Dp%3Dq&cursor=c",
    ],
  );
});

test("list fetches no page that is not asked for", async (t) => {
  const server = await serverWith(t, {
    listSandboxes: ({ response }) => json(response, 200, { items: [sandboxInfo()], nextCursor: "more" }),
  });
  for await (const _box of Sandbox.list({ client: server.client })) break;
  assert.equal(server.received.length, 1);
});

test("fromName finds the sandbox of the app, and says so when there is none", async (t) => {
  const server = await serverWith(t, {
    listSandboxes: inTurn(
      ({ response }) => json(response, 200, { items: [sandboxInfo({ name: "box" })] }),
      ({ response }) => json(response, 200, { items: [] }),
    ),
  });
  assert.equal((await Sandbox.fromName("my-app", "box", { client: server.client })).id, sandboxId);
  assert.equal(server.received[0]?.query.toString(), "app=my-app&name=box&limit=1");
  await assert.rejects(Sandbox.fromName("my-app", "box", { client: server.client }), sdk.NotFoundError);
});

test("waitUntilReady returns once ready and throws when the sandbox finished before", async (t) => {
  const { client } = await serverWith(t, {
    waitSandboxReady: inTurn(
      sandbox(),
      sandbox({ readyAt: "2030-01-01T00:00:01Z" }),
      finished({ kind: "exited", exitCode: 7 }),
    ),
  });
  const made = await Sandbox.create({ client });
  await made.waitUntilReady();
  await assert.rejects(made.waitUntilReady(), (error) => {
    assert.ok(error instanceof sdk.ConflictError);
    assert.match(error.message, /exit code 7/);
    return true;
  });
});

test("a sandbox's streams are those of its own command, a process's its own", async (t) => {
  const server = await serverWith(t, { readOutput: output("x") });
  const made = await Sandbox.create({ client: server.client });
  const process = await made.exec("true");
  await Promise.all([made.stdout.read(), made.stderr.read(), process.stdout.read(), process.stderr.read()]);
  const read = server.received.filter(({ operation }) => operation === "readOutput");
  assert.deepEqual(read.map(({ params }) => `${params.processId} ${params.stream}`).sort(), [
    `${processId} stderr`,
    `${processId} stdout`,
    "main stderr",
    "main stdout",
  ]);
});

test("setTags, resize and processes say what they should", async (t) => {
  const server = await serverWith(t, {
    setSandboxTags: sandbox({ tags: { a: "2" } }),
    resizePty: ({ response }) => json(response, 200, processInfo({ id: "main" })),
    listProcesses: ({ response }) => json(response, 200, { items: [processInfo({ id: "main" }), processInfo()] }),
  });
  const made = await Sandbox.create({ client: server.client });
  await made.setTags({ a: "2" });
  await made.resize(40, 120);
  assert.deepEqual([server.body(1), server.body(2)], [{ tags: { a: "2" } }, { rows: 40, cols: 120 }]);
  assert.deepEqual(made.lastInfo.tags, { a: "2" });
  assert.deepEqual(
    (await made.processes()).map(({ id }) => id),
    ["main", processId],
  );
  assert.equal(JSON.stringify(made), JSON.stringify({ id: sandboxId }));
});

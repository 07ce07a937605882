import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import {
  App,
  ConflictError,
  ExecTimeoutError,
  NotFoundError,
  type Process,
  Sandbox,
  SandboxTerminatedError,
} from "@atoll/sdk";
import { useServer } from "../support/server.ts";

useServer();

let sandbox: Sandbox;
before(async () => {
  const app = await App.lookup("sdk-exec", { createIfMissing: true });
  sandbox = await Sandbox.create({ app, timeoutMs: 120_000, env: { INHERITED: "yes" }, workdir: "/usr" });
});
after(() => sandbox?.terminate());

const shell = (script: string) => sandbox.exec("sh", "-c", script);

test("stdout and stderr are separate, and the exit code is returned", async () => {
  const process = await shell("echo out; echo err >&2; exit 7");
  assert.deepEqual(
    [await process.stdout.read(), await process.stderr.read(), (await process.wait()).returncode],
    ["out\n", "err\n", 7],
  );
  assert.equal(process.returncode, 7);
  assert.equal(await process.poll(), 7);
});

test("env, workdir and user are those of exec, over those of the sandbox", async () => {
  const process = await sandbox.exec("sh", "-c", 'echo "$INHERITED $OWN $(pwd) $(id -u):$(id -g)"', {
    env: { OWN: "1" },
    workdir: "/tmp",
    user: "1234:2345",
  });
  assert.equal(await process.stdout.read(), "yes 1 /tmp 1234:2345\n");
  const plain = await shell('echo "$INHERITED [$OWN] $(pwd)"');
  assert.equal(await plain.stdout.read(), "yes [] /usr\n");
});

test("output arrives while the process runs", async () => {
  const process = await sandbox.exec("sh", "-c", "echo first; read line; echo got $line");
  const lines = process.stdout[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "first");
  process.stdin.write("input\n");
  await process.stdin.drain();
  assert.equal((await lines.next()).value, "got input");
  assert.equal((await lines.next()).done, true);
});

test("every byte of much output arrives once, in order, read live and read again", async () => {
  const process = await sandbox.exec(
    "python3",
    "-c",
    "import os\nfor i in range(3000): os.write(1, b'%06d ' % i * 1000)",
  );
  const wanted = createHash("sha256");
  for (let i = 0; i < 3000; i++) wanted.update(`${String(i).padStart(6, "0")} `.repeat(1000));
  const digest = wanted.digest("hex");
  const live = createHash("sha256");
  for await (const chunk of process.stdout.toReadableStream()) live.update(chunk);
  assert.equal(live.digest("hex"), digest);
  const again = createHash("sha256").update(await process.stdout.from(0).bytes());
  assert.equal(again.digest("hex"), digest);
});

test("what is written to stdin arrives whole, and its end is seen", async () => {
  const process = await sandbox.exec("sha256sum");
  const piece = Buffer.alloc(100_000, "0123456789");
  const wanted = createHash("sha256");
  for (let i = 0; i < 20; i++) {
    process.stdin.write(piece);
    wanted.update(piece);
    if (i % 5 === 0) await process.stdin.drain();
  }
  process.stdin.writeEof();
  await process.stdin.drain();
  assert.equal((await process.stdout.read()).split(" ")[0], wanted.digest("hex"));
});

test("stdin: false reads as empty", async () => {
  const process = await sandbox.exec("cat", { stdin: false });
  assert.equal(await process.stdout.read(), "");
  assert.equal((await process.wait()).returncode, 0);
});

test("kill ends a process with the signal, and its name is told", async () => {
  const process = await sandbox.exec("sleep", "1000");
  assert.equal(await process.poll(), null);
  await process.kill("SIGTERM");
  const { kind, signal, returncode } = await process.wait();
  assert.deepEqual([kind, signal, returncode], ["signalled", "SIGTERM", 143]);
  await process.kill();
});

test("timeoutMs ends the process and not the sandbox", async () => {
  const process = await sandbox.exec("sh", "-c", "echo before; sleep 1000", { timeoutMs: 300 });
  await assert.rejects(process.wait(), (error) => error instanceof ExecTimeoutError && error.result.exitCode === 124);
  assert.equal(await process.stdout.read(), "before\n");
  assert.equal(await sandbox.poll(), null);
});

test("a process is found again by its id, with output that continues and stdin that goes on", async () => {
  const process = await sandbox.exec("sh", "-c", "while read line; do echo got $line; done");
  process.stdin.write("one\n");
  await process.stdin.drain();
  for await (const line of process.stdout) {
    assert.equal(line, "got one");
    break;
  }
  const again = (await Sandbox.fromId(sandbox.id)).process(process.id);
  again.stdin.write("two\n");
  again.stdin.writeEof();
  await again.stdin.drain();
  assert.equal(await again.stdout.from(process.stdout.offset).read(), "got two\n");
  assert.ok((await sandbox.processes()).some(({ id }) => id === process.id));
});

test("several processes at once keep their output apart", async () => {
  const outputs = await Promise.all(
    ["a", "b", "c", "d", "e"].map(async (name) => {
      const process = await shell(`for i in 1 2 3; do echo ${name}$i; sleep 0.05; done`);
      return Array.fromAsync(process.stdout);
    }),
  );
  assert.deepEqual(
    outputs,
    ["a", "b", "c", "d", "e"].map((name) => [1, 2, 3].map((i) => `${name}${i}`)),
  );
});

/** A shell that is slower than what is typed prompts after the echo: `# 30 90` and not `30 90` is the line then. */
async function shownAfterPrompt(process: Process, wanted: string): Promise<void> {
  for await (const line of process.stdout) if (/^(?:# )?(.*)$/.exec(line)?.[1] === wanted) return;
  assert.fail(`the shell ended without ${wanted}`);
}

test("a process with a terminal has its size, follows resize, and echoes", async () => {
  const process = await sandbox.exec("sh", { pty: { rows: 30, cols: 90 } });
  process.stdin.write("stty size\n");
  await process.stdin.drain();
  await shownAfterPrompt(process, "30 90");
  await process.resize(50, 100);
  process.stdin.write("stty size; exit 3\n");
  await process.stdin.drain();
  await shownAfterPrompt(process, "50 100");
  assert.equal((await process.wait()).returncode, 3);
  assert.equal(await process.stderr.read(), "");
});

test("a terminal over WebSocket shows, types, resizes and tells the result", async () => {
  const process = await sandbox.exec("sh", { pty: true });
  const terminal = await process.terminal();
  terminal.resize(44, 111);
  terminal.write("stty size\n");
  let shown = "";
  const decoder = new TextDecoder();
  for await (const bytes of terminal.output) {
    shown += decoder.decode(bytes, { stream: true });
    if (shown.includes("44 111\r\n")) terminal.write("exit 6\n");
  }
  assert.match(shown, /44 111\r\n/);
  assert.equal((await terminal.result).returncode, 6);
});

test("a terminal that is left goes on, and one that comes back sees all of it", async () => {
  const process = await sandbox.exec("sh", { pty: true });
  const first = await process.terminal();
  first.write("echo marked-$((40 + 2))\n");
  const reader = first.output.getReader();
  let shown = "";
  while (!shown.includes("marked-42")) shown += new TextDecoder().decode((await reader.read()).value);
  first.close();
  assert.equal(await process.poll(), null);
  const second = await process.terminal();
  second.write("exit\n");
  assert.match(await new Response(second.output).text(), /marked-42[\s\S]*exit/);
});

test("a command that does not exist fails with 127 and says which", async () => {
  const failure = await sandbox
    .exec("no-such-program")
    .then((process) => process.wait())
    .then(
      ({ kind, returncode, message }) => ({ kind, returncode, message }),
      (error) => ({ kind: error.code, returncode: 127, message: error.message }),
    );
  assert.deepEqual([failure.kind, failure.returncode], ["failed_to_start", 127]);
  assert.match(failure.message ?? "", /no-such-program/);
});

test("a process that does not exist is a NotFoundError", async () => {
  await assert.rejects(sandbox.process("ex-0000000000000000000000").stdout.read(), NotFoundError);
});

test("exec in a finished sandbox is a ConflictError, and its processes ended with it", async () => {
  const short = await Sandbox.create({ app: "sdk-exec" });
  const process = await short.exec("sleep", "1000");
  await short.terminate();
  await assert.rejects(process.wait(), SandboxTerminatedError);
  await assert.rejects(short.exec("true"), ConflictError);
});

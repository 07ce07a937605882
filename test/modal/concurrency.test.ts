/** Many things at once through the official npm client, large ones, and a client that is killed in the middle. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { checkout, useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

const run = promisify(execFile);
useServer();
const using = useModal("modal-concurrency");

/** Fifty wait for each other's turn on small machines, and each is a kernel of its own in gVisor. */
const sandboxesAtOnce = 20;
const execsAtOnce = 200;
const fileBytes = 128 * 1024 * 1024;

for (const [family, name] of [
  ["1", "the second family"],
  ["0", "the first family"],
] as const) {
  test(`many sandboxes are created, read and waited for at once (${name})`, async () => {
    await using client = await using(family);
    const indices = Array.from({ length: sandboxesAtOnce / 2 }, (_, index) => index);
    const outputs = await Promise.all(
      indices.map(async (index) => {
        const sandbox = await client.create({ command: ["sh", "-c", `echo ${index}; exit ${index}`] });
        return [await sandbox.stdout.readText(), await sandbox.wait()];
      }),
    );
    assert.deepEqual(
      outputs,
      indices.map((index) => [`${index}\n`, index]),
    );
  });
}

test("many processes run at once in one sandbox, and none gets another's input or output", async () => {
  await using client = await using("1");
  const sandbox = await client.create();
  const indices = Array.from({ length: execsAtOnce }, (_, index) => index);
  const outputs = await Promise.all(
    indices.map(async (index) => {
      const process = await sandbox.exec(["cat"]);
      await process.stdin.writeText(`number ${index}`);
      await process.stdin.close();
      const text = await process.stdout.readText();
      return [text, await process.wait()];
    }),
  );
  assert.deepEqual(
    outputs,
    indices.map((index) => [`number ${index}`, 0]),
  );
});

test("a large file goes in and comes out as it was", async () => {
  await using client = await using("1");
  const sandbox = await client.create();
  const bytes = new Uint8Array(fileBytes);
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = at / 4096;
  await sandbox.filesystem.writeBytes(bytes, "/tmp/large");
  const digest = createHash("sha256").update(bytes).digest("hex");
  const inside = await sandbox.exec(["sha256sum", "/tmp/large"]);
  assert.equal((await inside.stdout.readText()).split(" ")[0], digest);
  const back = await sandbox.filesystem.readBytes("/tmp/large");
  assert.equal(createHash("sha256").update(back).digest("hex"), digest);
});

/** Prints its sandbox, and then what the sandbox's command writes. */
const reading = `
import { ModalClient } from "modal";
const modal = new ModalClient();
const sandbox = await modal.sandboxes.fromId(process.argv[1]);
for await (const text of sandbox.stdout) process.stdout.write(text);
modal.close();
`;

test("a client that is killed in the middle of a stream leaves it whole for the next one", async () => {
  await using client = await using("1");
  const sandbox = await client.create({ command: ["sh", "-c", "seq 1 200000; read line; echo $line"] });
  const argv = ["--input-type=module", "--eval", reading, sandbox.sandboxId];
  const first = spawn(process.execPath, argv, { cwd: checkout, stdio: ["ignore", "pipe", "ignore"] });
  await once(first.stdout, "data");
  first.kill("SIGKILL");
  await once(first, "exit");
  assert.equal(await sandbox.poll(), null);
  const second = run(process.execPath, argv, { cwd: checkout, maxBuffer: 16 * 1024 * 1024 });
  await sandbox.stdin.writeText("the last line\n");
  const { stdout } = await second;
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 200_001);
  assert.ok(lines.slice(0, -1).every((line, index) => line === String(index + 1)));
  assert.equal(lines.at(-1), "the last line");
  assert.equal(await sandbox.wait(), 0);
});

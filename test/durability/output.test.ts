import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Isolation, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, endOf, until } from "../support/daemon.ts";

const MiB = 1024 ** 2;
const blocks = 1024;
/** Generous: what the daemon may grow by while a thousand times as much passes through it. */
const growthLimitBytes = 256 * MiB;

/** A thousand MiB that differ in each block, so that a lost, doubled or exchanged one shows. */
const writer = `
import os
for number in range(${blocks}):
    block = memoryview((b'%07d\\n' % number) * (${MiB} // 8))
    while block: block = block[os.write(1, block):]
`;

for (const isolation of ["container", "gvisor"] as const) {
  test(`${isolation}: 1 GiB that nobody reads neither holds the process back nor grows the daemon, and is read whole later`, async (t) => {
    const server = await daemon(t);
    using memory = watchMemory(server.pid);
    const began = performance.now();
    const sandbox = await Sandbox.create("python3", "-c", writer, { client: server.client, isolation });
    assert.deepEqual((await endOf(sandbox)).kind, "exited");
    t.diagnostic(`written at ${((blocks * 1000) / (performance.now() - began)).toFixed(0)} MiB a second`);
    assert.equal(await checksum(sandbox), expectedChecksum());
    t.diagnostic(`the daemon grew by ${(memory.growthBytes / MiB).toFixed(0)} MiB`);
    assert.ok(memory.growthBytes < growthLimitBytes, `the daemon grew by ${memory.growthBytes} bytes`);
  });
}

test("above its limit output holds the process back and says so, and the sandbox can be terminated", async (t) => {
  const server = await daemon(t, { ATOLL_OUTPUT_LIMIT: String(MiB) });
  for (const isolation of ["container", "gvisor"] as const) {
    const sandbox = await Sandbox.create("sh", "-c", "yes; echo never", { client: server.client, isolation });
    const held = await limited(sandbox);
    // Beyond the limit there is what was under way: a window that init may send ahead, and one that is being written.
    assert.ok(held.stdoutBytes >= MiB && held.stdoutBytes < 4 * MiB, `${held.stdoutBytes} bytes`);
    assert.equal((await sandbox.process("main").info()).stdoutBytes, held.stdoutBytes, "no more is taken");
    // Other processes of the sandbox have logs of their own.
    const other = await sandbox.exec("echo", "free");
    assert.equal(await other.stdout.text(), "free\n");
    assert.equal((await other.info()).outputLimited, false);
    await heldAcrossRestart(server, sandbox, isolation);
    await sandbox.terminate();
    assert.deepEqual([(await endOf(sandbox)).kind, sandbox.returncode], ["terminated", 137]);
    const kept = await sandbox.stdout.from(0).text();
    assert.match(kept.slice(0, MiB), /^(y\n)+$/);
  }
});

async function heldAcrossRestart(server: Daemon, sandbox: Sandbox, isolation: Isolation): Promise<void> {
  await server.kill();
  await server.start();
  await limited(sandbox);
  assert.equal(await sandbox.poll(), null, isolation);
}

async function limited(sandbox: Sandbox) {
  await until("the output is limited", async () => (await sandbox.process("main").info()).outputLimited);
  return sandbox.process("main").info();
}

async function checksum(sandbox: Sandbox): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of sandbox.stdout.toReadableStream()) hash.update(chunk);
  return hash.digest("hex");
}

function expectedChecksum(): string {
  const hash = createHash("sha256");
  for (let number = 0; number < blocks; number += 1)
    hash.update(`${String(number).padStart(7, "0")}\n`.repeat(MiB / 8));
  return hash.digest("hex");
}

/** How much more memory than at first a process has had at most. */
function watchMemory(pid: number): { readonly growthBytes: number } & Disposable {
  const first = residentBytes(pid);
  let most = first;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, 20);
  return {
    get growthBytes() {
      return most - first;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kibibytes) * 1024;
}

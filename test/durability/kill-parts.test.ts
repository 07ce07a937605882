import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { promisify } from "node:util";
import { type Isolation, Sandbox } from "@atoll/sdk";
import { quietSnapshot, settledDifference } from "../leaks/machine.ts";
import { type Daemon, daemon, endOf, until } from "../support/daemon.ts";

/** What is killed in a sandbox of each level: the process with whose end the sandbox ends, and what it cannot live without. */
const parts = [
  ["container", "init", "pid"],
  ["gvisor", "the sentry", "pid"],
  ["gvisor", "the gofer", "rootPid"],
] as const;

for (const [isolation, part, detail] of parts) {
  test(`${isolation}: when ${part} is killed, the sandbox ends with a result that says so, and nothing of it is left`, async (t) => {
    const server = await daemon(t);
    const before = await quietSnapshot(server.watched);
    const sandbox = await talking(server, isolation);
    const exec = await sandbox.exec("sleep", "1000");
    process.kill(holder(server, sandbox.id)[detail], "SIGKILL");
    const end = await endOf(sandbox);
    assert.ok(["signalled", "lost"].includes(end.kind), JSON.stringify(end));
    assert.equal(end.exitCode, 137);
    assert.match(end.message ?? "", /init/);
    assert.notEqual((await exec.info()).result, undefined);
    assert.equal(await sandbox.stdout.from(0).text(), "said\n");
    await assert.rejects(sandbox.exec("true"), { code: "sandbox_finished" });
    assert.deepEqual(await settledDifference(before, server.watched), {});
    assert.deepEqual(await server.gc(), []);
  });
}

test("init that is killed while no daemon runs is told by the next one", async (t) => {
  const server = await daemon(t);
  const sandbox = await talking(server, "container");
  const { pid } = holder(server, sandbox.id);
  await server.kill();
  process.kill(pid, "SIGKILL");
  await server.start();
  const end = await endOf(sandbox);
  assert.equal(end.exitCode, 137);
  assert.ok(["signalled", "lost"].includes(end.kind), JSON.stringify(end));
  assert.equal(await sandbox.stdout.from(0).text(), "said\n");
  assert.deepEqual(await server.gc(), []);
});

test("when the launcher is killed the daemon ends, and the next one says which sandboxes were lost and removes their remains", async (t) => {
  const server = await daemon(t);
  const sandboxes = [await talking(server, "container"), await talking(server, "gvisor")];
  const pids = sandboxes.map(({ id }) => holder(server, id).pid);
  process.kill(server.launcherPid, "SIGKILL");
  await server.ended();
  await server.start();
  for (const sandbox of sandboxes) {
    const { kind, exitCode } = await endOf(sandbox);
    assert.deepEqual([kind, exitCode], ["lost", 137]);
    assert.equal(await sandbox.stdout.from(0).text(), "said\n");
  }
  const fresh = await Promise.all((["container", "gvisor"] as const).map((isolation) => talking(server, isolation)));
  for (const sandbox of fresh) assert.equal(await sandbox.poll(), null);
  // The link of the old launcher's gateway, which its sandboxes still held, does not stand in the new one's way.
  assert.match(await wayOut(server), /dev uplink/);
  await until("the old sandboxes' processes are gone", () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  assert.deepEqual(await server.gc(), []);
});

/** The gateway's default route; without one, no sandbox reaches anything. */
async function wayOut(server: Daemon): Promise<string> {
  const argv = ["-t", String(server.launcherPid), "-n", "--", "ip", "route", "show", "default"];
  return (await promisify(execFile)("nsenter", argv)).stdout;
}

async function talking(server: Daemon, isolation: Isolation): Promise<Sandbox> {
  const sandbox = await Sandbox.create("sh", "-c", "echo said; sleep 1000", { client: server.client, isolation });
  for await (const line of sandbox.stdout) if (line === "said") break;
  // Readers are served from memory before the file has it, and until then init keeps it too: not when both are killed at once.
  const log = join(server.directory, "output", sandbox.id, "1.stdout");
  await until("the output is in its file", () => existsSync(log) && readFileSync(log, "utf8") === "said\n");
  return sandbox;
}

/** The processes that make up a sandbox, as the daemon recorded them. */
function holder(server: Daemon, id: string): { pid: number; rootPid: number } {
  const database = new DatabaseSync(join(server.directory, "atoll.db"), { readOnly: true });
  try {
    const row = database.prepare("SELECT holder FROM sandboxes WHERE id = ?").get(id);
    const { pid, rootPid } = JSON.parse(String(row?.holder)).details;
    assert.ok(readFileSync(`/proc/${pid}/stat`));
    return { pid, rootPid };
  } finally {
    database.close();
  }
}

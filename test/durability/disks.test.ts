import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Image, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, endOf, processesIn, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";
import { free, onSmallMachine } from "../support/small-machine.ts";
import { assertOneInstant, writing } from "../support/writers.ts";

const run = promisify(execFile);
const mebibyte = 1024 ** 2;

test("a server that is told to keep disks in a plain directory says so, and its snapshots show one instant too", async (t) => {
  const server = await daemon(t, { ATOLL_DISK_STORE: "directory" });
  const { client } = server;
  assert.match((await server.atoll("doctor")).stdout, /^ +disks: +plain: .*ATOLL_DISK_STORE=directory/m);
  assert.deepEqual(devices(server), []);
  for (const isolation of isolationLevels) {
    await using sandbox = await Sandbox.create({ isolation, client });
    const writer = await writing(sandbox);
    const images = await Promise.all([sandbox.snapshotFilesystem(), sandbox.snapshotFilesystem()]);
    for (const image of images) {
      await using copy = await Sandbox.create({ isolation, image, client });
      await assertOneInstant(copy);
    }
    assert.equal(await writer.poll(), null);
  }
});

test("a server killed at any moment of a snapshot leaves no clone of a disk, no broken image, and no sandbox that stands still", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  assert.match((await server.atoll("doctor")).stdout, /^ +disks: +reflinks/m);
  const sandboxes = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ isolation, client })));
  for (const sandbox of sandboxes)
    await shell(sandbox, "mkdir /d; head -c 40M /dev/urandom > /d/big; echo kept > /d/kept");
  for (const pauseMs of [0, 20, 80, 300]) {
    const snapshots = sandboxes.map((sandbox) => sandbox.snapshotFilesystem().catch(() => undefined));
    await sleep(pauseMs);
    await server.kill();
    await server.start();
    await Promise.all(snapshots);
    for (const sandbox of sandboxes) assert.equal((await shell(sandbox, "cat /d/kept")).stdout, "kept\n");
  }
  for (const { id } of await Image.list({ client })) {
    await using copy = await Sandbox.create({ image: id, client });
    assert.equal((await shell(copy, "cat /d/kept; stat -c %s /d/big")).stdout, `kept\n${40 * mebibyte}\n`);
  }
  const clones = disks(server).filter((name) => !name.endsWith(".ext4"));
  assert.deepEqual(clones, []);
  const partial = readdirSync(join(server.directory, "store/layers")).filter((name) => name.endsWith(".partial"));
  assert.deepEqual(partial, []);
  assert.deepEqual((await client.request("gc", {})).found, []);
});

test("what a launcher that was killed had of disks is gone once the next server runs, and that makes new ones", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  const lost = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ isolation, client })));
  // As after a loss of power, but for what the kernel remembers.
  for (const pid of processesIn(server.directory)) killNow(pid);
  await server.ended();
  await server.start();
  for (const sandbox of lost) assert.equal((await endOf(sandbox)).kind, "lost");
  await using sandbox = await Sandbox.create({ client });
  await using again = await Sandbox.create({ client, image: await sandbox.snapshotFilesystem() });
  assert.equal((await shell(again, "echo runs")).stdout, "runs\n");
  await until("the old disks' devices are gone", () => devices(server).every((file) => !file.includes("(deleted)")));
  assert.deepEqual(devices(server).filter((file) => file.endsWith("disks.xfs")).length, 1);
  assert.deepEqual((await client.request("gc", {})).found, []);
});

test("on a machine whose disk is full a snapshot fails, sandboxes go on, and what is removed is given back", async (t) => {
  const { machine, server } = await onSmallMachine(t);
  const { client } = server;
  const sandboxes = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ isolation, client })));
  for (const sandbox of sandboxes) await shell(sandbox, "head -c 30M /dev/urandom > /kept; sha256sum /kept > /sum");
  const snapshots = await Promise.all(sandboxes.map((sandbox) => sandbox.snapshotFilesystem()));
  assert.equal(snapshots.length, sandboxes.length);

  const filler = join(machine, "filler");
  await run("fallocate", ["-l", String(free(machine) - 100 * mebibyte), filler]);
  for (const sandbox of sandboxes) await assert.rejects(sandbox.snapshotFilesystem(), { code: "capacity" });
  await run("dd", ["if=/dev/zero", `of=${join(machine, "rest")}`, "bs=1M"]).catch(() => undefined);
  assert.equal(free(machine), 0);
  // What does not fit is an I/O error for whoever writes it, and for nobody else.
  for (const sandbox of sandboxes) {
    await shell(sandbox, "head -c 60M /dev/urandom > /more");
    assert.equal((await shell(sandbox, "sha256sum --check --quiet /sum && echo whole")).stdout, "whole\n");
  }
  await rm(filler);
  await rm(join(machine, "rest"));
  for (const sandbox of sandboxes) {
    await using copy = await Sandbox.create({ client, image: await sandbox.snapshotFilesystem() });
    assert.equal((await shell(copy, "sha256sum --check --quiet /sum && echo whole")).stdout, "whole\n");
  }
  const before = free(machine);
  await Promise.all(sandboxes.map((sandbox) => sandbox.terminate()));
  await until("the disks are given back", () => free(machine) >= before + 50 * mebibyte, 120_000);
  assert.deepEqual((await client.request("gc", {})).found, []);
});

/** It may end with another that was killed before it. */
function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function disks({ directory, launcherPid }: Daemon): string[] {
  return readdirSync(`/proc/${launcherPid}/root${directory}/store/disks`);
}

/** Files behind loop devices that belong to a server. */
function devices({ directory }: Daemon): string[] {
  const lines = execFileSync("losetup", ["-l", "-n", "-O", "BACK-FILE"]).toString().split("\n");
  return lines.filter((line) => line.startsWith(directory));
}

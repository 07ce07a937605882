import assert from "node:assert/strict";
import { test } from "node:test";
import { type DiskUse, Image, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

const mebibyte = 1024 ** 2;

async function diskUse(server: Daemon) {
  const use: DiskUse = JSON.parse((await server.atoll("df", "--json")).stdout);
  const entry = (kind: DiskUse["entries"][number]["kind"]) => {
    const found = use.entries.find((candidate) => candidate.kind === kind);
    assert.ok(found, kind);
    return found;
  };
  return { ...use, entry };
}

test("df tells what disks, output, images and snapshots take up, and what a prune frees", async (t) => {
  const server = await daemon(t, { ATOLL_POOL: "0" });
  const { client } = server;
  // A server that starts tries each isolation level out.
  await until("the levels were tried", async () => (await diskUse(server)).entry("sandbox_disks").count === 0);
  const empty = await diskUse(server);
  assert.ok(empty.fileSystem.freeBytes > 0 && empty.fileSystem.freeBytes < empty.fileSystem.sizeBytes);
  assert.deepEqual(empty.layers, { count: 0, sizeBytes: 0 });
  assert.equal(empty.entry("sandbox_disks").count, 0);

  const sandboxes = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ isolation, client })));
  const before = await diskUse(server);
  assert.equal(before.entry("sandbox_disks").count, sandboxes.length);
  for (const sandbox of sandboxes) await shell(sandbox, "head -c 20M /dev/urandom > /random; head -c 3M /dev/zero");
  const grown = async (kind: "sandbox_disks" | "output") =>
    ((await diskUse(server)).entry(kind).sizeBytes - before.entry(kind).sizeBytes) / sandboxes.length / mebibyte;
  await until("the output is kept", async () => (await grown("output")) >= 3);

  for (const sandbox of sandboxes) {
    const snapshot = await (await sandbox.snapshotFilesystem()).build({ client });
    const { entry, freeable } = await diskUse(server);
    const { count, sizeBytes } = entry("snapshots");
    assert.equal(count, 1);
    assert.ok(sizeBytes >= 20 * mebibyte && sizeBytes < 40 * mebibyte, String(sizeBytes));
    assert.equal(freeable.pruneBytes, 0);
    await Image.delete(snapshot.id, { client });
  }

  const image = Image.debianSlim().runCommands("head -c 5M /dev/urandom > /built");
  const built = await image.build({ client });
  const { freeable, entry } = await diskUse(server);
  assert.ok(entry("images").sizeBytes >= 5 * mebibyte);
  assert.equal(freeable.gcBytes, 0);
  await Image.delete(built.id, { client });
  const cached = await diskUse(server);
  assert.equal(cached.entry("build_cache").sizeBytes, entry("images").sizeBytes);
  assert.equal(cached.freeable.pruneBytes, freeable.pruneBytes);
  assert.match((await server.atoll("df")).stdout, /^build cache +1 +5[.\d]* MiB +0 B$/m);
  assert.equal((await client.request("pruneImages", {})).freedBytes, freeable.pruneBytes);
  assert.equal((await diskUse(server)).layers.sizeBytes, 0);

  // The kernel writes what it holds in memory after half a minute at most.
  await until(
    "the disks hold what was written, and not their holes",
    async () => {
      const each = await grown("sandbox_disks");
      return each >= 20 && each < 200;
    },
    120_000,
  );
  await Promise.all(sandboxes.map((sandbox) => sandbox.terminate()));
  await until("their disks are gone", async () => (await diskUse(server)).entry("sandbox_disks").count === 0);
});

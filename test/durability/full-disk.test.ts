/** A server whose disk is full. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Image, Sandbox } from "@atoll/sdk";
import { openDaemon } from "../support/daemon.ts";
import { testImage } from "../support/images.ts";
import { isolationLevels, shell } from "../support/isolation.ts";
import { push, startRegistry } from "../support/registry.ts";

const mebibyte = 1024 ** 2;
/** What a server asks to be free before it makes a sandbox, the base image, and some room. */
const diskBytes = 1200 * mebibyte;

/** A file system of its own. */
function smallDisk(): Disposable & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), "atoll-disk-"));
  // Users of sandboxes go through it.
  chmodSync(directory, 0o755);
  const path = join(directory, "disk");
  mkdirSync(path);
  const file = join(directory, "file");
  execFileSync("truncate", ["-s", String(diskBytes), file]);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", file]);
  execFileSync("mount", ["-o", "loop", file, path]);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync("umount", [path]);
      rmSync(directory, { recursive: true });
    },
  };
}

test("a full disk fails what needs it with an error that says so, leaves nothing of it, and the service goes on", async () => {
  using disk = smallDisk();
  using images = mkdtempDisposableSync(join(tmpdir(), "atoll-full-"));
  using registry = await startRegistry();
  const [small, large] = [
    testImage(images.path, "small", [mebibyte]),
    testImage(images.path, "large", [24 * mebibyte]),
  ];
  push(large.layout, `${registry.host}/large:v1`);
  await using made = new AsyncDisposableStack();
  const server = made.adopt(await openDaemon({}, disk.path), (daemon) => daemon.remove());
  const { client } = server;
  const stored = (path: string) => {
    const directory = join(server.directory, "store", path);
    return existsSync(directory) ? readdirSync(directory).filter((name) => name !== "empty") : [];
  };
  const isFull = { code: "capacity", message: /^cannot .*(full|no space)/ };
  const balloon = join(disk.path, "balloon");
  made.defer(() => rmSync(balloon, { force: true }));
  /** Takes up all but some of the disk. */
  const leaveFree = (bytes: number) => {
    rmSync(balloon, { force: true });
    const { bavail, bsize } = statfsSync(disk.path);
    execFileSync("fallocate", ["-l", String(bavail * bsize - bytes), balloon]);
  };

  const kept = await Image.import(small.archive, { client });
  const sandboxes = await Promise.all(isolationLevels.map((isolation) => Sandbox.create({ isolation, client })));
  for (const sandbox of sandboxes) await shell(sandbox, "head -c 24M /dev/urandom > /written; sync");
  const sandbox = await Sandbox.create({ image: kept.id, client });
  assert.equal(await sandbox.stdout.read(), small.printed);

  leaveFree(12 * mebibyte);
  await assert.rejects(Image.import(large.archive, { client }), isFull);
  await assert.rejects(Image.pull(`${registry.host}/large:v1`, { client }), isFull);
  for (const written of sandboxes) await assert.rejects(written.snapshotFilesystem(), isFull);
  const context = Image.fromId(kept.id).dockerfileCommands(["COPY . /copy"], { context: large.layout });
  await assert.rejects(context.build({ client }), isFull);
  // The archive of the base image would not fit; it is not stored.
  const piped = new WritableStream<Uint8Array>({ write: () => undefined });
  await Image.fromName("base").export(piped, { client });
  await assert.rejects(Image.fromName("base").push(`${registry.host}/base:v1`, { client }), isFull);
  leaveFree(40 * mebibyte);
  await assert.rejects(Image.import(large.archive, { client }), isFull, "there is room to upload, and none to unpack");

  leaveFree(mebibyte);
  assert.equal((await Image.info(kept.id, { client })).id, kept.id);
  for (const written of sandboxes) assert.equal((await shell(written, "echo runs")).stdout, "runs\n");

  rmSync(balloon);
  assert.deepEqual((await client.request("gc", {})).found, []);
  assert.deepEqual(stored("layers").filter((name) => !name.startsWith("base-")).length, kept.layers.length);
  for (const directory of ["pulls", "exports", "mounts"]) assert.deepEqual(stored(directory), [], directory);
  const pulled = await Image.pull(`${registry.host}/large:v1`, { client });
  await using again = await Sandbox.create({ image: pulled.id, client });
  assert.equal(await again.stdout.read(), large.printed);
  for (const written of sandboxes) await written.snapshotFilesystem();
});

/** Snapshots of files and mounted images of the official npm client, in both families of its calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultClient } from "@atoll/sdk";
import type { Sandbox } from "modal";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-snapshots");

async function sh(sandbox: Sandbox, script: string): Promise<string> {
  const shell = await sandbox.exec(["sh", "-c", script]);
  return await shell.stdout.readText();
}

async function expiryOf(image: string): Promise<string | undefined> {
  return (await defaultClient().request("getImage", { params: { image } })).expiresAt;
}

for (const [family, name] of [
  ["1", "the second family"],
  ["0", "the first family"],
] as const) {
  test(`snapshots of a file system and of a directory are images to create from and to mount (${name})`, async () => {
    await using client = await using(family);
    const { modal, app, create } = client;
    const first = await create();
    await sh(first, "mkdir -p /data/inner; echo kept > /data/inner/file; echo root > /root-file");
    const whole = await first.snapshotFilesystem();
    const part = await first.snapshotDirectory("/data", { ttlMs: null });
    for (const { imageId } of [whole, part]) assert.match(imageId, /^im-/);
    assert.ok(Date.parse((await expiryOf(whole.imageId)) ?? "") > Date.now());
    assert.equal(await expiryOf(part.imageId), undefined);
    await using second = {
      sandbox: await modal.sandboxes.create(app, whole, { timeoutMs: 120_000 }),
      [Symbol.asyncDispose]: () => second.sandbox.terminate(),
    };
    assert.equal(await sh(second.sandbox, "cat /root-file /data/inner/file"), "root\nkept\n");
    const third = await create();
    await third.mountImage("/mnt/there", part);
    assert.equal(
      await sh(third, "cat /mnt/there/inner/file; echo more > /mnt/there/own; ls /mnt/there"),
      "kept\ninner\nown\n",
    );
    await third.unmountImage("/mnt/there");
    assert.equal(await sh(third, "ls /mnt/there"), "");
  });
}

test("a directory is mounted empty without an image", async () => {
  await using client = await using("1");
  const sandbox = await client.create();
  await sandbox.mountImage("/usr/share");
  assert.equal(await sh(sandbox, "ls /usr/share; echo x > /usr/share/new && cat /usr/share/new"), "x\n");
  await sandbox.unmountImage("/usr/share");
  assert.match(await sh(sandbox, "ls /usr/share"), /doc/);
});

test("an image that is mounted where one is already takes its place", async () => {
  await using client = await using("1");
  const sandbox = await client.create();
  await sh(sandbox, "mkdir /one /two; echo 1 > /one/file; echo 2 > /two/file");
  const [one, two] = [await sandbox.snapshotDirectory("/one"), await sandbox.snapshotDirectory("/two")];
  await sandbox.mountImage("/mnt", one);
  assert.equal(await sh(sandbox, "cat /mnt/file; touch /mnt/own"), "1\n");
  await sandbox.mountImage("/mnt", two);
  assert.equal(await sh(sandbox, "cat /mnt/file; ls /mnt"), "2\nfile\n");
  await sandbox.unmountImage("/mnt");
  assert.equal(await sh(sandbox, "ls /mnt"), "");
});

test("a snapshot that is to be encrypted is refused, and a path that is not there is named", async () => {
  await using client = await using("1");
  const sandbox = await client.create();
  const experimentalEncryptionKey = new Uint8Array(32);
  await assert.rejects(() => sandbox.snapshotDirectory("/etc", { experimentalEncryptionKey }), /unencrypted/);
  await assert.rejects(() => sandbox.snapshotDirectory("/no-such"), /\/no-such/);
  await assert.rejects(() => sandbox.unmountImage("/mnt"), /no image is mounted/);
});

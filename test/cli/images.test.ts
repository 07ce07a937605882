import assert from "node:assert/strict";
import { test } from "node:test";
import { Image } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { atoll, idleSandbox, succeed } from "./atoll.ts";

useServer();

test("a snapshot taken by the command is listed, shown, named, used and removed", async (t) => {
  const sandbox = await idleSandbox(t);
  await succeed("exec", sandbox, "--", "sh", "-c", "echo kept > /kept");
  const name = `cli-${process.pid}:one`;
  const id = await succeed("snapshot", sandbox, "--name", name);
  assert.match(id, /^im-[0-9A-Za-z]{22}$/);
  assert.ok((await succeed("image", "ls", "-q")).split("\n").includes(id));
  assert.match(await succeed("image", "ls"), new RegExp(`^${id} +${name} +snapshot of ${sandbox} +2 `, "m"));
  assert.match(await succeed("image", "inspect", name), new RegExp(`^Id: +${id}$`, "m"));
  assert.equal(await succeed("run", "--image", name, "--", "cat", "/kept"), "kept");
  assert.equal(await succeed("image", "tag", id, `cli-${process.pid}:two`), id);
  await succeed("image", "rm", name);
  const shown = JSON.parse(await succeed("image", "inspect", "--json", id));
  assert.deepEqual(shown.names, [`cli-${process.pid}:two`]);
  await succeed("image", "rm", id);
  const { code, stderr } = await atoll(["image", "inspect", id]);
  assert.equal(code === 0, false);
  assert.match(stderr, /cannot find the image/);
});

test("an image is mounted, listed and unmounted by the command", async (t) => {
  const sandbox = await idleSandbox(t);
  const run = (script: string) => atoll(["exec", sandbox, "--", "sh", "-c", script]);
  assert.equal(await succeed("image", "mount", sandbox, "base", "/mnt/a"), "/mnt/a");
  assert.equal(await succeed("image", "mount", "--read-only", sandbox, "base", "/mnt/b"), "/mnt/b");
  assert.equal((await run("ls -d /mnt/a/etc /mnt/b/etc; echo x > /mnt/a/x")).stdout, "/mnt/a/etc\n/mnt/b/etc\n");
  assert.match((await run("echo x > /mnt/b/x")).stderr, /Read-only file system/);
  assert.match(await succeed("image", "mount", sandbox), /^\/mnt\/a +base +rw\n\/mnt\/b +base +ro$/m);
  for (const path of ["/mnt/a", "/mnt/b"]) await succeed("image", "unmount", sandbox, path);
  assert.deepEqual(JSON.parse(await succeed("image", "mount", "--json", sandbox)), []);
  const { code, stderr } = await atoll(["image", "unmount", sandbox, "/mnt/a"]);
  assert.equal(code, 125);
  assert.match(stderr, /no image is mounted there/);
  assert.equal((await atoll(["image", "mount", sandbox, "base"])).code, 2);
});

test("prune says what it would remove, and keeps what was used lately", async () => {
  const built = await Image.debianSlim().runCommands(`echo ${process.pid}.${performance.now()}`).build();
  // Without a limit it would take images from under other tests that share the server.
  const pruned = (...options: string[]) => succeed("image", "prune", ...options);
  assert.ok((await pruned("--dry-run")).split("\n").includes(built.id));
  assert.match(await pruned("--unused-for", "24h"), /^0 images removed, /m);
  assert.equal((await Image.info(built.id)).id, built.id);
  const logged = (await succeed("image", "logs", built.id)).split("\n");
  assert.match(logged[0] ?? "", /^step 1\/1: run echo/);
  assert.equal(logged.at(-1), `built ${built.id}`);
  await Image.delete(built.id);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Image } from "@atoll/sdk";
import { startRegistry } from "../support/registry.ts";
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

test("a Dockerfile is built, exported, imported, pushed and pulled by the command, which prints what each came to", async (t) => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "atoll-cli-"));
  using registry = await startRegistry();
  const [dockerfile, archive] = [join(directory.path, "Dockerfile"), join(directory.path, "image.tar")];
  writeFileSync(join(directory.path, "file"), `${process.pid}.${performance.now()}`);
  writeFileSync(dockerfile, "FROM scratch\nARG VALUE\nCOPY file /file\nENV VALUE=$VALUE\n");
  const name = `cli-${process.pid}/built:v1`;
  const id = await succeed("image", "build", "-t", name, "--build-arg", "VALUE=given", directory.path);
  t.after(() => Image.delete(id));
  assert.match(id, /^im-[0-9A-Za-z]{22}$/);
  assert.equal(JSON.parse(await succeed("image", "inspect", "--json", name)).config.env.VALUE, "given");

  assert.equal(await succeed("image", "export", name, archive), "");
  const { code, stdout } = await atoll(["image", "export", id, "-"]);
  assert.equal(code, 0);
  const digestOf = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(digestOf(stdout), digestOf(readFileSync(archive)));
  const imported = JSON.parse(await succeed("image", "import", archive, "--json", "--name", `cli-${process.pid}/in`));
  t.after(() => Image.delete(imported.id));
  assert.deepEqual([imported.origin.kind, imported.names], ["import", [`cli-${process.pid}/in:latest`]]);

  const reference = `${registry.host}/cli/app:v1`;
  const pushed = await succeed("image", "push", name, reference);
  assert.match(pushed, new RegExp(`^${reference.replaceAll(".", "\\.")}@sha256:[0-9a-f]{64}$`));
  const again = JSON.parse(await succeed("image", "push", "--json", id, reference));
  assert.equal(`${again.reference}@${again.digest}`, pushed);
  const pulled = await succeed("image", "pull", `${registry.host}/cli/app@${again.digest}`);
  t.after(() => Image.delete(pulled));
  assert.deepEqual((await Image.info(pulled)).config.env, { VALUE: "given" });
});

test("what the commands for images cannot do is said on stderr, with what to do, and leaves no file", async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "atoll-cli-"));
  const file = join(directory.path, "image.tar");
  const failing: readonly (readonly [string[], RegExp])[] = [
    [["export", "no-such-image", file], /cannot find the image "no-such-image"\n {2}See /],
    [["push", "base", "Not A Name"], /cannot use "Not A Name"[^\n]*\n {2}Write it as/],
    [["push", "no-such-image", "127.0.0.1:9/a"], /cannot find the image/],
    [["import", join(directory.path, "missing.tar")], /missing\.tar/],
    [["pull", "127.0.0.1:9/none:v1"], /cannot pull 127\.0\.0\.1:9\/none:v1: [^\n]*\n {2}Check the registry/],
    [["build", directory.path], /cannot read the Dockerfile/],
    [["inspect", "no-such-image"], /cannot find the image/],
  ];
  for (const [args, message] of failing) {
    const { code, stdout, stderr } = await atoll(["image", ...args]);
    assert.notEqual(code, 0, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, message);
  }
  assert.deepEqual(readdirSync(directory.path), []);
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

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, Image, Sandbox } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { eachIsolation, isolationLevels, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

eachIsolation((isolation) => {
  test("an image is mounted into a running sandbox, written to, kept out of snapshots, and unmounted again", async () => {
    await using maker = await newSandbox({ isolation });
    await shell(maker, "mkdir /tools; echo one > /tools/a; chown 5:6 /tools/a");
    const tools = await maker.snapshotFilesystem();
    await using sandbox = await newSandbox({ isolation });
    await shell(sandbox, "mkdir -p /real /data; echo hidden > /data/own; ln -s /real /way; ls /data /way/deep");
    await sandbox.mountImage("/data", tools);
    await sandbox.mountImage("/way/deep/er", tools);
    const seen = await shell(
      sandbox,
      "cat /data/tools/a; stat -c '%u %g' /data/tools/a; ls /data | grep own; cat /real/deep/er/tools/a",
    );
    assert.equal(seen.stdout, "one\n5 6\none\n");
    const written = await shell(
      sandbox,
      "echo two > /data/tools/a && rm /data/tools/../etc/passwd; cat /data/tools/a; cat /real/deep/er/tools/a; ls /data/etc/passwd",
    );
    assert.equal(written.stdout, "two\none\n");
    await sandbox.mountImage("/data", tools);
    assert.equal((await shell(sandbox, "cat /data/tools/a")).stdout, "one\n");
    const copied = await sandbox.snapshotFilesystem();
    await using copy = await newSandbox({ isolation, image: copied });
    assert.equal((await shell(copy, "cat /data/own; ls /data")).stdout, "hidden\nown\n");
    const user = await sandbox.exec(["sh", "-c", "cd /data/tools; echo in; read line"]);
    for await (const line of user.stdout) if (line === "in") break;
    await assert.rejects(sandbox.unmountImage("/data"), { code: "conflict", message: /something uses it/ });
    await assert.rejects(sandbox.mountImage("/data", tools), ConflictError);
    user.stdin.writeEof();
    await user.stdin.drain();
    await user.wait();
    await sandbox.unmountImage("/data");
    assert.equal((await shell(sandbox, "cat /data/own; ls /data")).stdout, "hidden\nown\n");
    await sandbox.mountImage("/data", tools);
    assert.equal((await shell(sandbox, "cat /data/tools/a")).stdout, "one\n");
  });

  test("what is mounted read-only takes no writes, and has its directories as images all the same", async () => {
    await using sandbox = await newSandbox({ isolation });
    await sandbox.mountImage("/ro", "base", { readOnly: true });
    const { stdout, stderr } = await shell(
      sandbox,
      "touch /ro/x; rm /ro/etc/passwd; chmod 777 /ro/etc || true; stat -c '%a %n' /ro/etc",
    );
    assert.equal(stdout, "755 /ro/etc\n");
    // gVisor does not tell whoever changes a mode that it stayed as it was.
    assert.equal(stderr.match(/Read-only file system/g)?.length, isolation === "gvisor" ? 2 : 3, stderr);
    const etc = await sandbox.snapshotDirectory("/ro/etc");
    await sandbox.unmountImage("/ro");
    await sandbox.mountImage("/ro", etc, { readOnly: true });
    assert.equal((await shell(sandbox, "ls /ro/passwd")).stdout, "/ro/passwd\n");
  });

  test("a directory becomes an image, of the root or of what is mounted, links followed as inside", async () => {
    await using sandbox = await newSandbox({ isolation });
    await shell(
      sandbox,
      "mkdir -p /project/sub; echo one > /project/sub/a; chown 7:8 /project; ln -s /project /way; echo file > /file",
    );
    const work = await sandbox.snapshotDirectory("/way");
    await sandbox.mountImage("/mnt/part", work);
    const seen = await shell(
      sandbox,
      "cat /mnt/part/sub/a; ls -A /mnt/part; stat -c '%u %g' /mnt/part; echo two > /mnt/part/sub/b",
    );
    assert.equal(seen.stdout, "one\nsub\n7 8\n");
    const sub = await sandbox.snapshotDirectory("/mnt/part/sub");
    await sandbox.unmountImage("/mnt/part");
    await sandbox.mountImage("/mnt/part", sub);
    assert.equal((await shell(sandbox, "cat /mnt/part/a /mnt/part/b; ls -A /project/sub")).stdout, "one\ntwo\na\n");
    await assert.rejects(sandbox.snapshotDirectory("/missing"), { code: "file_not_found" });
    await assert.rejects(sandbox.snapshotDirectory("/file"), { code: "not_a_directory" });
    await assert.rejects(sandbox.snapshotDirectory("/proc"), { code: "invalid_argument" });
  });

  test("mounts are refused where they cannot be, and a link of the sandbox leads nobody astray", async () => {
    await using sandbox = await newSandbox({ isolation });
    await shell(sandbox, "echo file > /file; ln -s /proc /link; ln -s /root /way");
    const refused = (path: string) => assert.rejects(sandbox.mountImage(path, "base"), { code: "invalid_argument" });
    for (const path of ["relative", "/", "/proc/1", "/a/../b", "/dev", "/.atoll/x", "/file", "/file/below", "/link"])
      await refused(path);
    await assert.rejects(sandbox.unmountImage("/root"), { code: "not_found" });
    await sandbox.mountImage("/way/mounted", "base");
    await shell(sandbox, "rm /way; ln -s /proc /way; mkdir /elsewhere");
    const unmounted = await sandbox.unmountImage("/way/mounted").catch((error) => error);
    if (isolation === "container") assert.equal(unmounted.code, "conflict");
    assert.equal((await shell(sandbox, "ls -d /proc/1")).stdout, "/proc/1\n");
    // What a sandbox may write without a limit of its own would be the machine's.
    const written = await shell(sandbox, "touch /.atoll/mounts/x; echo $?");
    assert.notEqual(written.stdout, "0\n");
  });
});

test("an image that is mounted is kept, and let go of with the sandbox", async () => {
  const maker = await newSandbox({});
  const image = await maker.snapshotFilesystem();
  const id = await image.reference({});
  await maker.terminate();
  const sandbox = await newSandbox({});
  await sandbox.mountImage("/mnt", image);
  await assert.rejects(Image.delete(id), ConflictError);
  await sandbox.terminate();
  for (;;) {
    const removed = await Image.delete(id).then(
      () => true,
      () => false,
    );
    if (removed) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test("what is mounted stays through a server that is killed, and is unmounted by the next", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  const sandboxes: Sandbox[] = [];
  for (const isolation of isolationLevels) sandboxes.push(await Sandbox.create({ isolation, client }));
  for (const sandbox of sandboxes) await sandbox.mountImage("/mnt", "base");
  await server.kill();
  await server.start();
  for (const sandbox of sandboxes) {
    assert.equal((await shell(sandbox, "ls -d /mnt/etc")).stdout, "/mnt/etc\n");
    await sandbox.unmountImage("/mnt");
    assert.equal((await shell(sandbox, "ls -A /mnt")).stdout, "");
  }
  assert.deepEqual(await server.gc(), []);
});

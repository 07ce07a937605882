import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConflictError,
  InvalidError,
  NotFoundError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  Volume,
} from "@atoll/sdk";
import { until } from "../support/daemon.ts";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

const names = (entries: readonly { readonly path: string }[]) => entries.map(({ path }) => path);

eachIsolation((isolation) => {
  test("what a sandbox wrote is there for the next one, once its end is told", async () => {
    await using volume = await Volume.ephemeral();
    const script = "mkdir /data/d; echo one > /data/d/a; ln -s a /data/d/l; chmod 640 /data/d/a; chown 33:33 /data/d/a";
    await using first = await newSandbox({ isolation, volumes: { "/data": volume } });
    assert.equal((await shell(first, script)).returncode, 0);
    await first.terminate();
    assert.equal(await volume.readText("d/l"), "one\n");
    await using second = await newSandbox({ isolation, volumes: { "/data": volume } });
    const seen = await shell(second, 'cat /data/d/l; stat -c "%a %u %g" /data/d/a; rm -r /data/d; echo two > /data/b');
    assert.equal(seen.stdout, "one\n640 33 33\n");
    await second.terminate();
    assert.deepEqual(names(await volume.listFiles("/", { recursive: true })), ["/b"]);
  });

  test("others see a commit when they reload, not before; writers are merged file by file, the later commit wins", async () => {
    await using volume = await Volume.ephemeral();
    await volume.batch({ both: "0", gone: "0", "dir/old": "0" });
    await using a = await newSandbox({ isolation, volumes: { "/data": volume } });
    await using b = await newSandbox({ isolation, volumes: { "/data": volume } });
    await shell(a, "echo a > /data/a; echo a > /data/both; rm /data/gone; rm -r /data/dir");
    await shell(b, "echo b > /data/b; echo b > /data/both; echo b > /data/dir/new");
    await a.commitVolumes();
    assert.equal((await shell(b, "cat /data/both /data/gone; ls /data")).stdout, "b\n0b\nboth\ndir\ngone\n");
    await b.reloadVolumes();
    assert.equal(
      (await shell(b, "cat /data/both; ls /data /data/dir")).stdout,
      "b\n/data:\na\nb\nboth\ndir\n\n/data/dir:\nnew\n",
    );
    await a.reloadVolumes();
    assert.equal(
      (await shell(a, "cat /data/both; ls /data /data/dir")).stdout,
      "b\n/data:\na\nb\nboth\ndir\n\n/data/dir:\nnew\n",
    );
    // An old write of a's is not committed again over b's later one.
    await a.commitVolumes();
    assert.equal(await volume.readText("both"), "b\n");
  });

  test("a read-only mount refuses writes, a sub-path shows its directory alone and is made", async () => {
    await using volume = await Volume.ephemeral();
    await volume.write("top", "secret");
    await using sandbox = await newSandbox({
      isolation,
      volumes: { "/data": volume.withMountOptions({ subPath: "made/here" }) },
    });
    assert.equal((await shell(sandbox, "ls -A /data; echo x > /data/f")).stdout, "");
    await sandbox.commitVolumes();
    assert.equal(await volume.readText("made/here/f"), "x\n");
    await using reader = await newSandbox({ isolation, volumes: { "/data": volume.readOnly() } });
    const refused = await shell(reader, "cat /data/top; echo x > /data/top");
    assert.match(refused.stderr, /Read-only file system/);
    assert.match(refused.stdout, /^secret/);
    const { volumes = [] } = await reader.info();
    assert.deepEqual(volumes, [{ volumeId: volume.id, path: "/data", readOnly: true }]);
  });

  test("a shared volume is one directory for all at once", async () => {
    const name = `shared-${process.pid}-${isolation}`;
    const volume = await Volume.fromName(name, { createIfMissing: true, shared: true });
    try {
      await using a = await newSandbox({ isolation, volumes: { "/data": volume } });
      await using b = await newSandbox({ isolation, volumes: { "/data": name } });
      await shell(a, "echo live > /data/f; ln -s /etc/shadow /data/l");
      assert.equal((await shell(b, "cat /data/f")).stdout, "live\n");
      await assert.rejects(volume.readText("l"), SandboxFilesystemNotFoundError);
      await volume.write("g", "outside");
      assert.equal((await shell(a, "cat /data/g")).stdout, "outside");
      await assert.rejects(Volume.delete(name), ConflictError);
    } finally {
      await Volume.delete(name);
    }
  });
});

test("files are put, listed, read, copied, renamed and removed from outside", async () => {
  await using volume = await Volume.ephemeral();
  await volume.batch({ "a/one": "1", "a/two": "22" });
  await volume.copyFiles(["a"], "b", { recursive: true });
  await volume.renameFile("a", "c");
  await volume.removeFile("c/one");
  assert.deepEqual(names(await volume.listFiles("/", { recursive: true })), ["/b", "/b/one", "/b/two", "/c", "/c/two"]);
  assert.equal(await volume.readText("b/two"), "22");
  await assert.rejects(volume.write("b/two", "x", { exclusive: true }), SandboxFilesystemPathAlreadyExistsError);
  await assert.rejects(volume.readText("nope"), SandboxFilesystemNotFoundError);
  const { version } = await volume.info();
  await assert.rejects(volume.batch({ new: "1", "b/one": "1" }, { exclusive: true }));
  assert.equal((await volume.info()).version, version);
  assert.deepEqual(names(await volume.listFiles()), ["/b", "/c"]);
});

test("many commits are made one layer in the background, and nothing is lost by it", async () => {
  await using volume = await Volume.ephemeral();
  const bytes = (count: number) => Buffer.alloc(256 * 1024, `${count} `);
  // Each replaces the one before, which is on the disk until its layer is merged.
  for (let count = 0; count < 16; count += 1) await volume.write("replaced", bytes(count));
  for (let count = 0; count < 19; count += 1) await volume.write(`f${count}`, `${count}`);
  await volume.removeFile("f3");
  await volume.removeFile("replaced");
  await until("the layers are merged", async () => (await volume.info()).sizeBytes < 2 * 1024 ** 2);
  const found = names(await volume.listFiles());
  assert.equal(found.length, 18);
  assert.equal(await volume.readText("f0"), "0");
});

test("links in a volume lead nowhere outside of it", async () => {
  await using volume = await Volume.ephemeral();
  await using sandbox = await newSandbox({ isolation: "container", volumes: { "/data": volume } });
  await shell(
    sandbox,
    "ln -s / /data/root; ln -s /etc/passwd /data/p; ln -s ../../../../etc /data/up; mkdir -p /data/etc; echo in > /data/etc/passwd",
  );
  await sandbox.commitVolumes();
  for (const path of ["root/etc/passwd", "p", "up/passwd"]) assert.equal(await volume.readText(path), "in\n");
  await volume.write("root/etc/new", "x");
  assert.deepEqual(names(await volume.listFiles("etc")), ["/etc/new", "/etc/passwd"]);
});

test("what cannot be is refused with the reason", async () => {
  await using volume = await Volume.ephemeral();
  await assert.rejects(Volume.fromName("no-such-volume"), NotFoundError);
  await assert.rejects(newSandbox({ volumes: { "/proc/x": volume } }), InvalidError);
  await assert.rejects(newSandbox({ volumes: { "/a": volume, "/a/b": volume } }), InvalidError);
  await assert.rejects(newSandbox({ volumes: { "/a": "no-such-volume" } }), NotFoundError);
  await using sandbox = await newSandbox({ volumes: { "/a": volume } });
  await assert.rejects(Volume.delete(volume.id), (error: Error) => {
    assert.match(error.message, new RegExp(sandbox.id));
    return error instanceof ConflictError;
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, InvalidError, SandboxFilesystemNoSpaceError, Volume } from "@atoll/sdk";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

const limit = "16MiB";
const mebibyte = 1024 ** 2;

eachIsolation((isolation) => {
  for (const shared of [false, true])
    test(`a sandbox that fills its ${shared ? "shared volume" : "copy of a volume"} is told so, and goes on`, async () => {
      await using volume = await Volume.ephemeral({ limit, shared });
      await using sandbox = await newSandbox({ isolation, volumes: { "/data": volume } });
      const filled = await shell(sandbox, "head -c 64M /dev/zero > /data/big; df -k --output=size /data | tail -1");
      assert.match(filled.stderr, /No space left on device/);
      const sizeKib = Number(filled.stdout);
      assert.ok(sizeKib >= 16 * 1024 && sizeKib < 18 * 1024, filled.stdout);
      const others = await shell(sandbox, "head -c 32M /dev/zero > /elsewhere && rm /data/big && echo kept > /data/f");
      assert.equal(others.returncode, 0, others.stderr);
      await sandbox.commitVolumes();
      assert.equal(await volume.readText("f"), "kept\n");
    });

  test("what fits a sandbox's copy can be committed and mounted again", async () => {
    await using volume = await Volume.ephemeral({ limit });
    await using full = await newSandbox({ isolation, volumes: { "/data": volume } });
    const filled = await shell(full, "head -c 64M /dev/urandom > /data/big; stat -c %s /data/big");
    await full.terminate();
    await using next = await newSandbox({ isolation, volumes: { "/data": volume } });
    assert.equal((await shell(next, "stat -c %s /data/big")).stdout, filled.stdout);
  });
});

test("writers that would make a volume larger than it may be are refused the later commit, and others' is kept", async () => {
  await using volume = await Volume.ephemeral({ limit });
  const volumes = { "/data": volume };
  await using a = await newSandbox({ isolation: "container", volumes });
  await using b = await newSandbox({ isolation: "container", volumes });
  for (const [name, sandbox] of [
    ["a", a],
    ["b", b],
  ] as const)
    assert.equal((await shell(sandbox, `head -c 12M /dev/urandom > /data/${name}`)).returncode, 0);
  await a.commitVolumes();
  await assert.rejects(b.commitVolumes(), (error: Error) => {
    assert.match(error.message, /its limit of 16777216 bytes/);
    return error instanceof SandboxFilesystemNoSpaceError;
  });
  assert.deepEqual(
    (await volume.listFiles()).map(({ path }) => path),
    ["/a"],
  );
  await volume.removeFile("a");
  await b.commitVolumes();
  assert.deepEqual(
    (await volume.listFiles()).map(({ path }) => path),
    ["/b"],
  );
});

test("a change from outside that goes beyond the limit is refused as a whole", async () => {
  await using volume = await Volume.ephemeral({ limit });
  await volume.write("first", Buffer.alloc(10 * mebibyte, 1));
  for (const act of [
    () => volume.write("second", Buffer.alloc(10 * mebibyte, 2)),
    () => volume.write("one", Buffer.alloc(17 * mebibyte, 2)),
    () => volume.batch({ small: "x", large: Buffer.alloc(10 * mebibyte, 2) }),
    () => volume.copyFiles(["first"], "second"),
  ])
    await assert.rejects(act, SandboxFilesystemNoSpaceError);
  assert.deepEqual(
    (await volume.listFiles()).map(({ path }) => path),
    ["/first"],
  );
  // Replaced again and again it is never larger.
  for (let round = 0; round < 4; round += 1) await volume.write("first", Buffer.alloc(10 * mebibyte, round));
  await using shared = await Volume.ephemeral({ limit, shared: true });
  await assert.rejects(shared.write("large", Buffer.alloc(17 * mebibyte, 1)), SandboxFilesystemNoSpaceError);
  assert.deepEqual(await shared.listFiles(), []);
});

test("a limit is the volume's own, given once and not below what a file system needs", async () => {
  const name = `limited-${process.pid}`;
  const volume = await Volume.fromName(name, { createIfMissing: true, limit });
  try {
    assert.equal((await volume.info()).limitBytes, 16 * mebibyte);
    await Volume.fromName(name, { limit: 16 * mebibyte });
    await Volume.fromName(name);
    await assert.rejects(Volume.fromName(name, { limit: "1GiB" }), ConflictError);
    await assert.rejects(Volume.ephemeral({ limit: "1MiB" }), InvalidError);
    await assert.rejects(Volume.ephemeral({ limit: "much" }), InvalidError);
  } finally {
    await Volume.delete(name);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, Image, Sandbox } from "@atoll/sdk";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";
import { assertOneInstant, writing } from "../support/writers.ts";

useServer();

eachIsolation((isolation) => {
  test("a snapshot has what the sandbox wrote and removed, and both go on apart from each other", async () => {
    const image = Image.debianSlim().env({ KEPT: "yes" }).workdir("/project");
    await using sandbox = await newSandbox({ image, isolation });
    await shell(sandbox, "echo one > a; ln -s a link; rm -r /etc/apt; touch -d 2020-01-02 old");
    const snapshot = await sandbox.snapshotFilesystem();
    await shell(sandbox, "echo two > a");
    await using copy = await newSandbox({ image: snapshot, isolation });
    const seen = await shell(
      copy,
      "cat link; ls; ls -d /etc/apt; echo $KEPT; pwd; stat -c %y old | cut -c1-10; ls -A / | grep -x newroot",
    );
    assert.equal(seen.stdout, "one\na\nlink\nold\nyes\n/project\n2020-01-02\n");
    await shell(copy, "echo three > a");
    assert.equal((await shell(sandbox, "cat a")).stdout, "two\n");
    const again = await copy.snapshotFilesystem();
    await using third = await newSandbox({ image: again, isolation });
    assert.equal((await shell(third, "cat a")).stdout, "three\n");
  });

  test("snapshots taken at once show one instant each of a sandbox that never stops writing, which was paused for as long as its timeline says", async () => {
    await using sandbox = await newSandbox({ isolation });
    const writer = await writing(sandbox);
    const snapshots = await Promise.all([sandbox.snapshotFilesystem(), sandbox.snapshotFilesystem()]);
    for (const image of snapshots) {
      await using copy = await newSandbox({ image, isolation });
      await assertOneInstant(copy);
    }
    const pauses = (await sandbox.info()).timeline.filter(({ event }) => event === "snapshot");
    assert.equal(pauses.length, snapshots.length);
    for (const { detail } of pauses) assert.match(detail ?? "", /^paused for \d+\.\d ms$/);
    assert.equal(await writer.poll(), null);
  });

  test("a sandbox whose disk is full can be snapshotted, and goes on", async () => {
    await using sandbox = await newSandbox({ isolation, diskBytes: 48 * 1024 ** 2 });
    const filled = await shell(
      sandbox,
      "echo kept > /kept; head -c 200M /dev/zero > /fill; rm /kept; echo again > /kept",
    );
    assert.match(filled.stderr, /No space left/);
    const image = await sandbox.snapshotFilesystem();
    assert.equal((await shell(sandbox, "rm /fill; echo on > /on; cat /on")).stdout, "on\n");
    await using copy = await newSandbox({ image, isolation });
    const sizes = "stat -c %s /fill";
    assert.ok(Number((await shell(copy, sizes)).stdout) > 20 * 1024 ** 2);
    assert.equal((await shell(copy, "ls /on")).stdout, "");
  });
});

test("a snapshot can be published, and one of a sandbox that has ended is refused", async () => {
  const name = `snapshot-${process.pid}:a`;
  const sandbox = await newSandbox({});
  await shell(sandbox, "echo kept > /kept");
  const { id } = await Image.info(await (await sandbox.snapshotFilesystem({ name })).reference({}));
  await sandbox.terminate();
  assert.equal((await Image.info(name)).id, id);
  assert.equal((await Image.info(name)).origin.kind, "snapshot");
  await using again = await newSandbox({ image: name });
  assert.equal((await shell(again, "cat /kept")).stdout, "kept\n");
  await assert.rejects(sandbox.snapshotFilesystem(), ConflictError);
  await assert.rejects((await Sandbox.fromId(sandbox.id)).snapshotFilesystem(), { code: "sandbox_finished" });
});

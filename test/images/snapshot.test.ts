import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, Image, Sandbox } from "@atoll/sdk";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

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

  test("a snapshot shows one instant of a sandbox that never stops writing", async () => {
    await using sandbox = await newSandbox({ isolation });
    // `first` is never behind `second`, and ahead of it by one at most.
    const writer = await sandbox.exec(
      [
        "sh",
        "-c",
        "mkdir /w; cd /w; i=0; while :; do i=$((i+1)); echo > first$i; echo > second$i; [ $i = 20 ] && echo ready; done",
      ],
      { timeoutMs: 120_000 },
    );
    for await (const line of writer.stdout) if (line === "ready") break;
    const snapshot = await sandbox.snapshotFilesystem();
    await using copy = await newSandbox({ image: snapshot, isolation });
    const counted = await shell(copy, "ls /w | grep -c first; ls /w | grep -c second");
    const [first = 0, second = 0] = counted.stdout.trim().split("\n").map(Number);
    assert.ok(second >= 20 && first - second >= 0 && first - second <= 1, `${first} ${second}`);
    assert.equal(await writer.poll(), null);
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

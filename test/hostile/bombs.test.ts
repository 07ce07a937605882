/** Programs that take all they can get: contained, called what they are, and felt by no other sandbox of the same server. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { eachIsolation, newSandbox, python, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

const MiB = 1024 ** 2;

eachIsolation((isolation) => {
  const bystander = sharedSandbox({ isolation });
  before(() => shell(bystander(), "echo mine > /root/mine"));

  /** The other sandbox answers, keeps its file, and can write. */
  async function assertUndisturbed(): Promise<void> {
    const { stdout } = await shell(
      bystander(),
      "cat /root/mine; head -c 1000000 /dev/zero > /tmp/space && echo wrote; rm /tmp/space",
    );
    assert.equal(stdout, "mine\nwrote\n");
  }

  test("a fork bomb meets the limit of processes, and ends with its sandbox", async () => {
    await using sandbox = await newSandbox({ isolation, pidsLimit: 100, cpu: 0.5 });
    const bomb = await sandbox.exec("bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 2; echo over");
    await assertUndisturbed();
    // The bomb holds its streams for ever, so their end is not waited for.
    for await (const line of bomb.stderr) if (/fork: .*Resource temporarily unavailable/.test(line)) break;
    await assertUndisturbed();
    await sandbox.terminate();
    const result = await sandbox.wait({ raiseOnTermination: false });
    assert.equal(result.kind, "terminated", result.message ?? "");
  });

  test("a crowd of processes that eat memory together ends as out of memory", async () => {
    const eat = "import os\nfor _ in range(6): os.fork()\nb = []\nwhile True: b.append(bytearray(1 << 20))";
    await using sandbox = await Sandbox.create("python3", "-c", eat, { isolation, memoryBytes: 192 * MiB });
    await assertUndisturbed();
    assert.equal((await sandbox.wait()).kind, "out_of_memory");
  });

  test("files in memory count as memory", async () => {
    const fill = "head -c 1000000000 /dev/zero > /dev/shm/fill";
    await using sandbox = await Sandbox.create("sh", "-c", fill, { isolation, memoryBytes: 128 * MiB });
    const result = await sandbox.wait();
    await assertUndisturbed();
    assert.equal(result.kind, "out_of_memory");
  });

  test("a disk filler fills its own disk", async () => {
    await using sandbox = await newSandbox({ isolation, diskBytes: 64 * MiB });
    for (const directory of ["/", "/tmp", "/var", "/root"]) {
      const { stderr } = await shell(sandbox, `head -c 200000000 /dev/zero > ${directory}/fill-it`);
      assert.match(stderr, /No space left/);
    }
    const state = process.env.ATOLL_STATE_DIR ?? "";
    const launcher = readFileSync(join(state, "run/launcher.pid"), "utf8").trim();
    const disk = join("/proc", launcher, "root", state, "store/disks", `${sandbox.id.slice(3)}.ext4`);
    assert.ok(statSync(disk).blocks * 512 <= 64 * MiB, "on the host it is no larger than its limit");
    await assertUndisturbed();
    const alive = await shell(sandbox, "rm /fill-it /tmp/fill-it; echo alive > /root/alive; cat /root/alive");
    assert.equal(alive.stdout, "alive\n");
  });

  test("a maker of empty files runs out of them", async () => {
    await using sandbox = await newSandbox({ isolation, diskBytes: 16 * MiB });
    const { stdout } = await python(
      sandbox,
      `
import errno
try:
    for i in range(1000000): open(f"/tmp/{i}", "w").close()
except OSError as error: print(errno.errorcode[error.errno])`,
    );
    assert.equal(stdout, "ENOSPC\n");
    await assertUndisturbed();
  });

  test("files in /dev are bounded", async () => {
    await using sandbox = await newSandbox({ isolation, memoryBytes: 160 * MiB });
    const { stderr, kind } = await shell(sandbox, "head -c 1000000000 /dev/zero > /dev/fill");
    if (isolation === "container") assert.match(stderr, /No space left/);
    else assert.notEqual(kind, "exited", "in gVisor /dev is memory of the sandbox");
    await assertUndisturbed();
  });

  test("descriptors end at their limit in every process, and do not use up the machine's", async () => {
    await using sandbox = await newSandbox({ isolation, openFilesLimit: 1000, pidsLimit: 200 });
    const { stdout } = await python(
      sandbox,
      `
import os, socket
for _ in range(5): os.fork()
files = []
try:
    while True: files.append(socket.socketpair())
except OSError: os.write(1, b"full\\n")`,
    );
    assert.equal(stdout, "full\n".repeat(32));
    await assertUndisturbed();
  });

  test("output without an end does not hold anybody up", async () => {
    await using sandbox = await newSandbox({ isolation });
    const flood = await sandbox.exec("yes");
    await assertUndisturbed();
    await flood.kill();
    assert.equal((await flood.wait()).kind, "signalled");
  });
});

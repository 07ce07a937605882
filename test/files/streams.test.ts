import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { SandboxFilesystemError, SandboxFilesystemNotFoundError } from "@atoll/sdk";
import { daemonPid, eachIsolation, newSandbox, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** 256 MiB, or 1 GiB when asked for: ATOLL_TEST_FILE_MIB=1024. */
const bigBytes = Number(process.env.ATOLL_TEST_FILE_MIB ?? 256) * 2 ** 20;
const mostGrowthBytes = 128 * 2 ** 20;
const pieceBytes = 2 ** 20;

function residentBytes(): number {
  const status = readFileSync(`/proc/${daemonPid()}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Pieces that differ from each other, and their digest once they are all taken. */
function pattern(size: number) {
  const hash = createHash("sha256");
  async function* pieces() {
    for (let at = 0; at < size; at += pieceBytes) {
      const piece = Buffer.alloc(pieceBytes, `piece ${at} `);
      hash.update(piece);
      yield piece;
    }
  }
  return { pieces: pieces(), digest: () => hash.digest("hex") };
}

/** Until it is true; the test's own time limit ends the wait. */
async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const temporaries = (names: readonly { readonly name: string }[]) =>
  names.filter(({ name }) => name.startsWith(".atoll-"));

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation, disk: "4GiB" });

  describe("streams", () => {
    test("a large file goes in and out unharmed without growing the daemon", async () => {
      const { fs } = sandbox();
      const before = residentBytes();
      let most = before;
      const watch = setInterval(() => {
        most = Math.max(most, residentBytes());
      }, 50);
      try {
        const { pieces, digest } = pattern(bigBytes);
        assert.equal((await fs.writeStream("/root/big", pieces)).size, bigBytes);
        const hash = createHash("sha256");
        for await (const piece of await fs.readStream("/root/big")) hash.update(piece);
        assert.equal(hash.digest("hex"), digest());
      } finally {
        clearInterval(watch);
        await fs.remove("/root/big");
      }
      assert.ok(most - before < mostGrowthBytes, `the daemon grew by ${most - before} bytes`);
    });

    test("a reader that stops reading holds no more than a window, and ends the operation by leaving", async () => {
      const { fs } = sandbox();
      await shell(sandbox(), "truncate -s 512M /root/holes");
      const before = residentBytes();
      const reader = (await fs.readStream("/root/holes")).getReader();
      await reader.read();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.ok(residentBytes() - before < mostGrowthBytes);
      await reader.cancel();
      await eventually(
        async () => !(await shell(sandbox(), "cat /proc/[0-9]*/cmdline")).stdout.includes("atoll-files"),
      );
      await fs.remove("/root/holes");
    });

    test("many operations run at once without mixing their bytes", async () => {
      const { fs } = sandbox();
      const texts = Array.from({ length: 24 }, (_, index) => `${index} `.repeat(50_000 + index));
      await Promise.all(texts.map((text, index) => fs.writeText(`/tmp/many/${index}`, text)));
      const read = await Promise.all(texts.map((_, index) => fs.readText(`/tmp/many/${index}`)));
      assert.deepEqual(
        read.map((text) => text.length),
        texts.map((text) => text.length),
      );
      assert.ok(read.every((text, index) => text === texts[index]));
    });

    test("an upload that is aborted leaves the old file, and nothing half done beside it", async () => {
      const { fs } = sandbox();
      await fs.writeText("/tmp/atomic/file", "old");
      const abort = new AbortController();
      async function* endless() {
        for (let count = 0; ; count += 1) {
          yield new Uint8Array(pieceBytes);
          if (count === 8) abort.abort();
        }
      }
      await assert.rejects(fs.writeStream("/tmp/atomic/file", endless(), { atomic: true, signal: abort.signal }));
      await eventually(async () => temporaries(await fs.list("/tmp/atomic")).length === 0);
      assert.equal(await fs.readText("/tmp/atomic/file"), "old");
    });

    test("a source that fails is the error of the write, and replaces nothing", async () => {
      const { fs } = sandbox();
      await fs.writeText("/tmp/source/file", "old");
      async function* failing() {
        yield "some";
        throw new Error("the source is dry");
      }
      await assert.rejects(fs.writeStream("/tmp/source/file", failing(), { atomic: true }), /the source is dry/);
      await eventually(async () => temporaries(await fs.list("/tmp/source")).length === 0);
      assert.equal(await fs.readText("/tmp/source/file"), "old");
    });

    test("a large upload that is refused at once gets the reason, not a broken connection", async () => {
      const { fs } = sandbox();
      const { pieces } = pattern(64 * 2 ** 20);
      await assert.rejects(
        fs.writeStream("/tmp/no/such/directory", pieces, { parents: false }),
        SandboxFilesystemNotFoundError,
      );
    });

    test("a sandbox that ends in the middle ends both directions", async () => {
      await using ending = await newSandbox({ isolation });
      await shell(ending, "truncate -s 2G /root/holes");
      const reading = (async () => {
        for await (const _ of await ending.fs.readStream("/root/holes"));
      })();
      async function* endless() {
        for (;;) yield new Uint8Array(pieceBytes);
      }
      const writing = ending.fs.writeStream("/root/endless", endless());
      const outcomes = Promise.allSettled([reading, writing]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await ending.terminate();
      assert.deepEqual(
        (await outcomes).map(({ status }) => status),
        ["rejected", "rejected"],
      );
    });

    test("an operation that a process of the sandbox kills is an error", async () => {
      const { fs } = sandbox();
      await shell(sandbox(), "mkfifo /tmp/fifo");
      const reading = fs.readText("/tmp/fifo");
      const outcome = assert.rejects(reading, SandboxFilesystemError);
      const find =
        "for p in /proc/[0-9]*; do grep -q atoll-file[s] $p/cmdline && kill -9 $(basename $p) && echo killed; done";
      await eventually(async () => (await shell(sandbox(), find)).stdout.includes("killed"));
      await outcome;
    });
  });
});

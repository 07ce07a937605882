import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stdinWindow } from "../../src/init/messages.ts";
import { builds, exitCode, Guest, soon } from "./guest.ts";

const { signals } = constants;

/** What `seq 1 COUNT` prints. */
function sequenceHash(count: number): string {
  const hash = createHash("sha256");
  for (let from = 1; from <= count; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, count - from + 1) }, (_, index) => `${from + index}\n`);
    hash.update(lines.join(""));
  }
  return hash.digest("hex");
}

for (const build of builds()) {
  describe(`connections of init (${build.name})`, () => {
    test("a daemon that is killed ten times in 100 MB loses no byte and gets none twice", async () => {
      await using guest = await Guest.start(build);
      const count = 12_900_000;
      guest.start(1, ["seq", "1", `${count}`]);
      for (let round = 1; round <= 10; round++) {
        const next = round * 10_000_000;
        await guest.record.until(() => guest.record.of(1).streams[1].length >= next, soon());
        await guest.stopListening();
        await guest.listen();
      }
      assert.equal((await guest.result(1)).status, 0);
      assert(guest.record.of(1).streams[1].length > 100_000_000);
      assert.equal(guest.record.of(1).streams[1].hash.digest("hex"), sequenceHash(count));
      assert.equal(guest.record.greetings.length, 11);
    });

    test("output that was received and not acknowledged is not sent again when RESUME names it", async () => {
      await using guest = await Guest.start(build);
      guest.record.acknowledges = false;
      guest.start(1, ["sh", "-c", "echo one; read line; echo two"], { stdin: true });
      await guest.record.until(() => guest.record.of(1).text(1) === "one\n", soon());
      await guest.stopListening();
      await guest.listen();
      await guest.link.whenConnected(soon());
      guest.link.writeStdin(1, 0, Buffer.from("\n"));
      assert.equal((await guest.result(1)).stdout, "one\ntwo\n");
    });

    test("the end of a stream that came while no daemon listened is said after the output that the last one did not keep", async () => {
      await using guest = await Guest.start(build);
      guest.record.acknowledges = false;
      guest.start(1, ["sh", "-c", "echo one; sleep 0.3; exit 4"]);
      await guest.record.until(() => guest.record.of(1).text(1) === "one\n", soon());
      await guest.stopListening();
      guest.record.forget(1);
      guest.record.of(1);
      await sleep(800);
      await guest.listen();
      assert.deepEqual(await guest.result(1), { status: exitCode(4), stdout: "one\n", stderr: "" });
    });

    test("exits, ends of streams, failures and acknowledgements are said again to the next daemon", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "cat >&2; exit 9"], { stdin: true });
      guest.link.writeStdin(1, 0, Buffer.from("input"));
      guest.link.closeStdin(1, 5);
      await guest.result(1);
      await guest.run(2, ["does-not-exist"]);
      const pid = guest.record.of(1).pid;
      await guest.stopListening();
      guest.record.forget(1);
      guest.record.forget(2);
      guest.record.of(1).streams[2].add(0, Buffer.from("input"));
      guest.record.of(2);
      await guest.listen();
      assert.deepEqual(await guest.result(1), { status: exitCode(9), stdout: "", stderr: "input" });
      assert.equal(guest.record.of(1).pid, pid);
      assert.deepEqual(guest.record.of(1).stdin, { offset: 5, closed: true });
      await guest.record.until(() => guest.record.of(2).failure !== undefined, soon());
    });

    test("processes that RESUME does not name are killed and forgotten, named ones that init lacks are unknown", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sleep", "1000"]);
      guest.start(2, ["sleep", "1000"]);
      await guest.record.until(
        () => guest.record.of(1).pid !== undefined && guest.record.of(2).pid !== undefined,
        soon(),
      );
      await guest.stopListening();
      guest.record.forget(1);
      guest.record.of(77);
      await guest.listen();
      await guest.record.until(() => guest.record.unknowns.length > 0, soon());
      assert.deepEqual(guest.record.unknowns, [77]);
      guest.record.forget(77);
      const left = await guest.run(3, [
        "sh",
        "-c",
        "until set -- /proc/[0-9]*; [ $# -eq 3 ]; do :; done; pgrep -c sleep",
      ]);
      assert.equal(left.stdout, "1\n");
      assert.deepEqual([...(guest.record.greetings.at(-1) ?? [])].sort(), [1, 2]);
    });

    test("what is asked for without a connection is done once there is one", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sleep", "1000"]);
      guest.start(2, ["cat"], { stdin: true });
      guest.link.writeStdin(2, 0, Buffer.from("a"));
      await guest.record.until(
        () => guest.record.of(1).pid !== undefined && guest.record.of(2).stdin.offset === 1,
        soon(),
      );
      guest.link.hangUp();
      await guest.record.until(() => !guest.link.isConnected, soon());
      guest.start(3, ["echo", "queued"]);
      guest.link.signal(1, signals.SIGKILL);
      guest.link.writeStdin(2, 1, Buffer.from("b"));
      guest.link.closeStdin(2, 2);
      const pinged = guest.link.ping(soon());
      const setup = guest.link.setup("", "", soon());
      const aborted = guest.link.probe(1, AbortSignal.abort());
      await assert.rejects(aborted, { name: "AbortError" });
      assert.equal((await guest.result(3)).stdout, "queued\n");
      assert.equal((await guest.result(1)).status, signals.SIGKILL);
      assert.equal((await guest.result(2)).stdout, "ab");
      await pinged;
      assert.equal((await setup).errno, 0);
    });

    test("commands that were handed to a connection which broke are done exactly once", async () => {
      await using guest = await Guest.start(build);
      for (let round = 0; round < 10; round++) {
        const number = round + 1;
        guest.link.hangUp();
        guest.start(number, ["sh", "-c", `echo x >>${guest.directory}/log; cat`], { stdin: true });
        guest.link.writeStdin(number, 0, Buffer.from("once"));
        guest.link.closeStdin(number, 4);
        assert.equal((await guest.result(number)).stdout, "once");
      }
      assert.equal((await guest.run(99, ["sh", "-c", `wc -l <${guest.directory}/log`])).stdout, "10\n");
    });

    test("stdin that init holds already is skipped when a new connection sends it again", async () => {
      await using guest = await Guest.start(build);
      const data = Buffer.alloc(2 * stdinWindow, "0123456789\n");
      guest.start(1, ["sh", "-c", `until [ -e ${guest.directory}/go ]; do sleep 0.01; done; sha256sum`], {
        stdin: true,
      });
      guest.link.writeStdin(1, 0, data.subarray(0, stdinWindow));
      await guest.record.until(() => guest.record.of(1).stdin.offset === stdinWindow, soon());
      guest.link.writeStdin(1, stdinWindow, data.subarray(stdinWindow));
      await guest.link.ping(soon());
      guest.link.hangUp();
      await guest.record.until(() => guest.record.greetings.length === 2, soon());
      guest.link.closeStdin(1, data.length);
      await guest.link.ping(soon());
      writeFileSync(join(guest.directory, "go"), "");
      const result = await guest.result(1);
      assert.equal(result.stdout.slice(0, 64), createHash("sha256").update(data).digest("hex"));
      assert.deepEqual(guest.record.of(1).stdin, { offset: data.length, closed: true });
    });

    test("a released process is not reported any more, not even by the next greeting", async () => {
      await using guest = await Guest.start(build);
      await guest.run(1, ["true"]);
      guest.link.release(1);
      guest.record.forget(1);
      await guest.stopListening();
      await guest.listen();
      await guest.link.whenConnected(soon());
      assert.deepEqual(guest.record.greetings.at(-1), []);
      assert.equal(guest.record.processes.size, 0);
    });

    test("waiting for a connection ends with its signal, or with the link", async () => {
      await using guest = await Guest.start(build);
      guest.link.hangUp();
      await guest.record.until(() => !guest.link.isConnected, soon());
      const stop = new AbortController();
      const waiting = guest.link.whenConnected(stop.signal);
      stop.abort();
      await assert.rejects(waiting, { name: "AbortError" });
      const second = guest.link.whenConnected(soon());
      await Promise.all([assert.rejects(second, /the link is closed/), guest.stopListening()]);
    });
  });
}

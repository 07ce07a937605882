import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { outputWindow, stdinWindow } from "../../src/init/messages.ts";
import { builds, exitCode, Guest, soon } from "./guest.ts";

const { signals } = constants;
const terminal = { pty: { rows: 24, cols: 80 }, env: ["PATH=/usr/bin:/bin", "TERM=xterm"] };

for (const build of builds()) {
  describe(`streams of init (${build.name})`, () => {
    test("stdin is written at its offsets, and a repeated write is not doubled", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["cat"], { stdin: true });
      guest.link.writeStdin(1, 0, Buffer.from("Hello"));
      guest.link.writeStdin(1, 0, Buffer.from("Hello, world"));
      guest.link.writeStdin(1, 5, Buffer.from(", world"));
      guest.link.closeStdin(1, 12);
      assert.equal((await guest.result(1)).stdout, "Hello, world");
      assert.deepEqual(guest.record.of(1).stdin, { offset: 12, closed: true });
    });

    test("stdin larger than pipe and window arrives whole and in order", async () => {
      await using guest = await Guest.start(build);
      const data = Buffer.alloc(3_000_000, "0123456789abcdefghijklmnopqrstuvwxyz\n");
      guest.start(1, ["sha256sum"], { stdin: true });
      for (let at = 0; at < data.length; at += 30_000) {
        await guest.record.until(() => at + 30_000 - guest.record.of(1).stdin.offset <= stdinWindow, soon());
        guest.link.writeStdin(1, at, data.subarray(at, at + 30_000));
      }
      guest.link.closeStdin(1, data.length);
      const { createHash } = await import("node:crypto");
      assert.equal((await guest.result(1)).stdout.slice(0, 64), createHash("sha256").update(data).digest("hex"));
    });

    test("stdin that nobody reads is not acknowledged beyond the pipe, and the window refuses more", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sleep", "1000"], { stdin: true });
      const block = Buffer.alloc(stdinWindow);
      guest.link.writeStdin(1, 0, block);
      await guest.record.until(() => guest.record.of(1).stdin.offset === stdinWindow, soon());
      guest.link.writeStdin(1, stdinWindow, block);
      await guest.link.ping(soon());
      assert.equal(guest.record.of(1).stdin.offset, stdinWindow);
      assert.throws(() => guest.link.writeStdin(1, 2 * stdinWindow, Buffer.alloc(1)), RangeError);
    });

    test("a reader that goes away closes stdin", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "exec <&-; sleep 1000"], { stdin: true });
      await guest.record.until(() => guest.record.of(1).stdin.closed, soon());
      guest.link.writeStdin(1, 0, Buffer.from("ignored"));
      assert.equal((await guest.run(2, ["echo", "alive"])).stdout, "alive\n");
    });

    test("stdin that was not asked for reads as empty and is /dev/null, or an empty pipe without one", async () => {
      await using guest = await Guest.start(build);
      assert.equal(
        (await guest.run(1, ["sh", "-c", "readlink /proc/self/fd/0; cat; echo end"])).stdout,
        "/dev/null\nend\n",
      );
      await using bare = await Guest.start(build, { before: "mount -t tmpfs none /dev" });
      const result = await bare.run(1, ["sh", "-c", "readlink /proc/self/fd/0; cat; echo end"]);
      assert.match(result.stdout, /^pipe:\[\d+\]\nend\n$/);
    });

    test("a pty is the controlling terminal, has the size and follows a resize", async () => {
      await using guest = await Guest.start(build);
      guest.start(
        1,
        ["bash", "-c", "trap 'stty size; exit 3' WINCH; tty; stty size; echo $TERM; while :; do sleep 0.01; done"],
        {
          ...terminal,
          pty: { rows: 40, cols: 120 },
        },
      );
      await guest.record.until(() => guest.record.of(1).text(1).includes("xterm"), soon());
      assert.match(guest.record.of(1).text(1), /^\/dev\/pts\/\d+\r\n40 120\r\nxterm\r\n$/);
      guest.link.resize(1, 50, 132);
      const result = await guest.result(1);
      assert.equal(result.status, exitCode(3));
      assert.match(result.stdout, /50 132\r\n$/);
      assert.equal(guest.record.of(1).streams[2].endedAt, 0);
    });

    test("Ctrl-C interrupts, and Ctrl-D or the end of stdin ends a program on a pty", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["cat"], terminal);
      guest.link.writeStdin(1, 0, Buffer.from("ready\n"));
      await guest.record.until(() => guest.record.of(1).text(1) === "ready\r\nready\r\n", soon());
      guest.link.writeStdin(1, 6, Buffer.from("\x03"));
      assert.equal((await guest.result(1)).status, signals.SIGINT);
      guest.start(2, ["cat"], terminal);
      guest.link.writeStdin(2, 0, Buffer.from("line\n\x04"));
      assert.deepEqual(await guest.result(2), { status: 0, stdout: "line\r\nline\r\n", stderr: "" });
      guest.start(3, ["cat"], terminal);
      guest.link.closeStdin(3, 0);
      assert.equal((await guest.result(3)).status, 0);
    });

    test("a program that closes its terminal before it exits is not hung up on", async () => {
      await using guest = await Guest.start(build);
      const script = "exec <&- >&- 2>&-; sleep 0.1; echo back >/dev/tty; exit 4";
      assert.deepEqual(await guest.run(1, ["bash", "-c", script], terminal), {
        status: exitCode(4),
        stdout: "back\r\n",
        stderr: "",
      });
    });

    test("the terminal of an unprivileged user is its own", async () => {
      await using guest = await Guest.start(build);
      const result = await guest.run(1, ["sh", "-c", 'stat -c "%u %a" $(tty)'], { ...terminal, user: "1234" });
      assert.equal(result.stdout, "1234 620\r\n");
    });

    test("output that nobody acknowledges stops at the window, and neither init's memory nor others suffer", async () => {
      await using guest = await Guest.start(build);
      guest.record.acknowledges = false;
      const before = guest.residentBytes();
      for (let number = 1; number <= 4; number++) guest.start(number, ["cat", "/dev/zero"]);
      const lengths = () => [1, 2, 3, 4].map((number) => guest.record.of(number).streams[1].length);
      await guest.record.until(() => lengths().every((length) => length === outputWindow), soon());
      const quick = await guest.run(9, ["echo", "quick"]);
      assert.deepEqual(quick, { status: 0, stdout: "quick\n", stderr: "" });
      await guest.link.ping(soon());
      assert.deepEqual(lengths(), Array(4).fill(outputWindow));
      const bound = build.name === "plain" ? 4 * outputWindow + (1 << 20) : 24 << 20;
      assert(guest.residentBytes() - before < bound, `init grew by ${guest.residentBytes() - before} bytes`);
      guest.record.acknowledges = true;
      for (let number = 1; number <= 4; number++) guest.link.ack(number, 1, outputWindow);
      await guest.record.until(() => lengths().every((length) => length > 2 * outputWindow), soon());
    });

    test("an exit is not stuck behind the floods of others", async () => {
      await using guest = await Guest.start(build);
      for (let number = 1; number <= 4; number++) guest.start(number, ["cat", "/dev/zero"]);
      for (let number = 10; number < 30; number++) {
        assert.equal((await guest.run(number, ["echo", `${number}`])).stdout, `${number}\n`);
      }
      assert([1, 2, 3, 4].every((number) => guest.record.of(number).streams[1].length > 0));
    });

    test("a paused link reads nothing more, and the process waits until it is resumed", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "head -c 20000000 /dev/zero"]);
      await guest.record.until(() => guest.record.of(1).streams[1].length > 0, soon());
      guest.link.pauseReading();
      await new Promise((resolve) => setImmediate(resolve));
      const held = guest.record.of(1).streams[1].length;
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(guest.record.of(1).streams[1].length, held);
      guest.link.resumeReading();
      await guest.result(1);
      assert.equal(guest.record.of(1).streams[1].length, 20_000_000);
    });

    test("output may follow the exit while another process holds the pipe, and RELEASE closes it", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "(sleep 0.1; echo late) & exit 5"]);
      const result = await guest.result(1);
      assert.deepEqual(result, { status: exitCode(5), stdout: "late\n", stderr: "" });
      guest.start(2, ["sh", "-c", "(while echo more; do sleep 0.01; done) & exit 6"]);
      await guest.record.until(() => guest.record.of(2).status !== undefined, soon());
      guest.link.release(2);
      await guest.link.ping(soon());
      const seen = guest.record.of(2).streams[1].length;
      const gone = await guest.run(3, ["sh", "-c", "until set -- /proc/[0-9]*; [ $# -eq 2 ]; do :; done; echo gone"]);
      assert.equal(gone.stdout, "gone\n");
      assert.equal(guest.record.of(2).streams[1].length, seen);
    });
  });
}

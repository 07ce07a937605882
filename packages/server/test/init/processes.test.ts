import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { builds, exitCode, Guest, soon } from "./guest.ts";

const { errno, signals } = constants;
const passwd = "root:x:0:0:root:/root:/bin/sh\nalice:x:1234:2345:Alice:/home/alice:/bin/sh\nbroken line\nbob:x:77:88\n";
const group = "root:x:0:\nstaff:x:50:alice,bob\nwheel:x:60:bob,alice\nothers:x:70:bob\n";
const identity = ["sh", "-c", "echo $(id -u):$(id -g):$(id -G)"];

/** Becomes init in a root of its own, as a runtime starts it, with a second root at /late. */
const holder = `
  H=$CONTROL/holder; mkdir $H; mount -t tmpfs holder $H
  for d in usr dev proc sys; do mkdir $H/$d; mount --rbind /$d $H/$d; done
  mkdir $H/.atoll $H/late; mount --bind $CONTROL $H/.atoll
  mount -t tmpfs late $H/late; mkdir $H/late/usr; mount --rbind /usr $H/late/usr; : >$H/late/late-marker
  for r in $H $H/late; do ln -s usr/bin usr/lib usr/lib64 $r; done
  cp "$0" $H/init; cd $H; pivot_root . .; umount -l .; exec /init --control /.atoll`;

for (const build of builds()) {
  describe(`processes of init (${build.name})`, () => {
    test("exit codes and signals are reported as waitpid gives them", async () => {
      await using guest = await Guest.start(build);
      assert.equal((await guest.run(1, ["sh", "-c", "exit 42"])).status, exitCode(42));
      assert.equal((await guest.run(2, ["sh", "-c", "kill -9 $$"])).status, signals.SIGKILL);
      guest.start(3, ["sleep", "1000"]);
      guest.link.signal(3, signals.SIGTERM);
      assert.equal((await guest.result(3)).status, signals.SIGTERM);
    });

    test("a signal reaches the whole group of a process", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "sleep 1000 & echo ready; wait"]);
      await guest.record.until(() => guest.record.of(1).text(1) === "ready\n", soon());
      guest.link.signal(1, signals.SIGKILL);
      const result = await guest.result(1);
      assert.equal(result.status, signals.SIGKILL);
    });

    test("stdout and stderr are apart", async () => {
      await using guest = await Guest.start(build);
      const result = await guest.run(1, ["sh", "-c", "echo out; echo err >&2"]);
      assert.deepEqual(result, { status: 0, stdout: "out\n", stderr: "err\n" });
    });

    test("a program that is missing or cannot be executed fails with its errno, and never starts", async () => {
      await using guest = await Guest.start(build);
      const file = join(guest.directory, "program");
      writeFileSync(file, "echo no interpreter line\n");
      const cases: [string, number][] = [
        ["does-not-exist", errno.ENOENT],
        ["/does/not/exist", errno.ENOENT],
        ["", errno.ENOENT],
        ["/etc", errno.EACCES],
        [file, errno.EACCES],
      ];
      for (const [index, [name, expected]] of cases.entries()) {
        await guest.run(index + 1, [name]);
        assert.deepEqual(guest.record.of(index + 1).failure, { errno: expected, step: "exec" }, name);
        assert.equal(guest.record.of(index + 1).pid, undefined);
      }
      chmodSync(file, 0o755);
      await guest.run(20, [file]);
      assert.deepEqual(guest.record.of(20).failure, { errno: errno.ENOEXEC, step: "exec" });
      await guest.run(21, []);
      assert.deepEqual(guest.record.of(21).failure, { errno: errno.EINVAL, step: "exec" });
    });

    test("PATH of the environment is searched, past directories without the program and without permission", async () => {
      await using guest = await Guest.start(build);
      for (const name of ["first", "second"]) mkdirSync(join(guest.directory, name));
      writeFileSync(join(guest.directory, "first/greet"), "#!/bin/sh\necho first\n");
      writeFileSync(join(guest.directory, "second/greet"), "#!/bin/sh\necho second\n", { mode: 0o755 });
      const path = `PATH=/nowhere:${guest.directory}/first:${guest.directory}/second:/bin`;
      assert.equal((await guest.run(1, ["greet"], { env: [path] })).stdout, "second\n");
      await guest.run(2, ["greet"], { env: [`PATH=${guest.directory}/first:/nowhere`] });
      assert.deepEqual(guest.record.of(2).failure, { errno: errno.EACCES, step: "exec" });
      assert.equal(
        (await guest.run(3, ["greet"], { env: ["PATH="], cwd: `${guest.directory}/second` })).stdout,
        "second\n",
      );
      assert.equal((await guest.run(4, ["echo", "default"], { env: [] })).stdout, "default\n");
    });

    test("the working directory is the given one, or the home directory, or /", async () => {
      await using guest = await Guest.start(build, { passwd, group });
      assert.equal((await guest.run(1, ["pwd"], { cwd: "/usr/bin" })).stdout, "/usr/bin\n");
      assert.equal((await guest.run(2, ["pwd"], { cwd: "" })).stdout, "/root\n");
      assert.equal((await guest.run(3, ["pwd"], { cwd: "", user: "alice" })).stdout, "/\n");
      await guest.run(4, ["pwd"], { cwd: "/missing" });
      assert.deepEqual(guest.record.of(4).failure, { errno: errno.ENOENT, step: "cwd" });
      await guest.run(5, ["pwd"], { cwd: "/root", user: "alice" });
      assert.deepEqual(guest.record.of(5).failure, { errno: errno.EACCES, step: "cwd" });
    });

    test("users are resolved as in an OCI image", async () => {
      await using guest = await Guest.start(build, { passwd, group });
      const cases: [string, string][] = [
        ["", "0:0:0"],
        ["alice", "1234:2345:2345 50 60"],
        ["1234", "1234:2345:2345 50 60"],
        ["alice:others", "1234:70:70"],
        ["alice:4000", "1234:4000:4000"],
        ["5000", "5000:0:0"],
        ["5000:6000", "5000:6000:6000"],
        ["bob:", "77:88:88 50 60 70"],
      ];
      for (const [index, [user, expected]] of cases.entries()) {
        assert.equal((await guest.run(index + 1, identity, { user })).stdout, `${expected}\n`, user);
      }
      for (const [index, user] of ["nobody-here", "alice:nothing", "-1", "4294967295", "0x10"].entries()) {
        await guest.run(index + 20, identity, { user });
        assert.deepEqual(guest.record.of(index + 20).failure, { errno: errno.ENOENT, step: "user" }, user);
      }
    });

    test("a FIFO in place of /etc/passwd does not stop init", async () => {
      await using guest = await Guest.start(build, {
        before:
          "d=$(mktemp -d); mount -t tmpfs none $d; mkfifo $d/p; mount --bind $d/p /etc/passwd; umount -l $d; rmdir $d",
      });
      assert.equal((await guest.run(1, ["id", "-u"])).stdout, "0\n");
      await guest.run(2, ["true"], { user: "alice" });
      assert.deepEqual(guest.record.of(2).failure, { errno: errno.ENOENT, step: "user" });
    });

    test("HOME, USER and LOGNAME are added where the environment lacks them", async () => {
      await using guest = await Guest.start(build, { passwd, group });
      const show = ["/bin/sh", "-c", "echo $HOME $USER $LOGNAME"];
      assert.equal((await guest.run(1, show, { user: "alice" })).stdout, "/home/alice alice alice\n");
      assert.equal((await guest.run(2, show, { env: ["HOME=/h", "USER=u"] })).stdout, "/h u root\n");
      assert.equal((await guest.run(3, show, { user: "5000" })).stdout, "/\n");
    });

    test("a child has its three streams, default signals, its own session and the limits that were asked for", async () => {
      await using guest = await Guest.start(build);
      const look =
        "ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t\\n'; ulimit -Hn";
      const [line] = (await guest.run(1, ["bash", "-c", `${look}; ulimit -Sn`], { openFilesLimit: 64 })).stdout.split(
        "\0",
      );
      assert.match(line ?? "", /^0 1 2 3 SigBlk:0{16}SigIgn:0{16}64\n64\n$/);
      const session = await guest.run(2, ["sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat"]);
      const numbers = new Set(session.stdout.trim().split(" "));
      assert.equal(numbers.size, 1, "process, group and session have one number");
    });

    test("the limit of open files is never raised above the hard limit", async () => {
      await using guest = await Guest.start(build, { before: "ulimit -n 300" });
      assert.equal((await guest.run(1, ["sh", "-c", "ulimit -Hn"], { openFilesLimit: 1_000_000 })).stdout, "300\n");
    });

    test("two hundred runs leave no descriptor, no zombie and no process behind", async () => {
      await using guest = await Guest.start(build);
      await guest.run(1, ["true"]);
      guest.link.release(1);
      await guest.link.ping(soon());
      const before = guest.descriptors();
      for (let number = 2; number < 202; number++) {
        const kind = number % 4;
        await guest.run(number, [kind === 3 ? "does-not-exist" : "true"], {
          stdin: kind === 1,
          ...(kind === 2 ? { pty: { rows: 2, cols: 2 } } : {}),
        });
        guest.link.release(number);
      }
      await guest.link.ping(soon());
      assert.equal(guest.descriptors(), before);
      // A child that could not execute may still be exiting; one that is never reaped keeps this from ending.
      const alone = "until set -- /proc/[0-9]*; [ $# -eq 2 ]; do :; done; echo init and this shell";
      assert.equal((await guest.run(300, ["sh", "-c", alone])).stdout, "init and this shell\n");
    });

    test("orphans are reaped", async () => {
      await using guest = await Guest.start(build);
      await guest.run(1, ["sh", "-c", "for i in 1 2 3 4 5; do (setsid sh -c 'exit 7' &) ; done; sleep 0.2"]);
      assert.equal((await guest.run(2, ["sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"])).stdout, "0\n");
    });

    test("KILL_ALL reaches everything but init", async () => {
      await using guest = await Guest.start(build);
      guest.start(1, ["sh", "-c", "setsid sleep 1000 & echo ready; sleep 1000"]);
      await guest.record.until(() => guest.record.of(1).text(1) === "ready\n", soon());
      guest.link.killAll(signals.SIGKILL);
      assert.equal((await guest.result(1)).status, signals.SIGKILL);
      const gone = await guest.run(2, ["sh", "-c", "while pgrep -x sleep >/dev/null; do :; done; echo gone"]);
      assert.equal(gone.stdout, "gone\n");
    });

    test("starts are refused while descriptors are used up, and succeed afterwards", async () => {
      await using guest = await Guest.start(build, { before: "ulimit -n 40" });
      for (let number = 1; number <= 20; number++) guest.start(number, ["sleep", "1000"]);
      const isAnswered = (number: number) => guest.record.of(number).pid ?? guest.record.of(number).failure;
      const all = Array.from({ length: 20 }, (_, index) => index + 1);
      await guest.record.until(() => all.every(isAnswered), soon());
      const failures = all.flatMap((number) => guest.record.of(number).failure ?? []);
      assert(failures.length > 0);
      for (const failure of failures) assert.deepEqual(failure, { errno: errno.EMFILE, step: "limit" });
      for (const number of all) {
        guest.link.signal(number, signals.SIGKILL);
        guest.link.release(number);
      }
      assert.equal((await guest.run(30, ["echo", "again"])).stdout, "again\n");
    });

    test("probes tell whether something listens on the loopback", async () => {
      await using guest = await Guest.start(build);
      for (const host of ["127.0.0.1", "::1"]) {
        const server = createServer((socket) => socket.destroy());
        await new Promise<void>((resolve) => server.listen(0, host, resolve));
        const address = server.address();
        assert(typeof address === "object" && address !== null);
        assert.equal(await guest.link.probe(address.port, soon()), true, host);
        await new Promise((resolve) => server.close(resolve));
        assert.equal(await guest.link.probe(address.port, soon()), false, host);
      }
    });

    test("SETUP sets the hostname, and says which step of it failed", async () => {
      await using guest = await Guest.start(build, { before: 'exec unshare --uts "$0" --control "$CONTROL"' });
      assert.deepEqual(await guest.link.setup("", "reef", soon()), { errno: 0, step: "" });
      assert.equal((await guest.run(1, ["uname", "-n"])).stdout, "reef\n");
      assert.deepEqual(await guest.link.setup("/does/not/exist", "", soon()), { errno: errno.ENOENT, step: "root" });
      assert.equal((await guest.link.setup("", "x".repeat(100), soon())).step, "hostname");
    });

    test("SETUP enters another root once, leaves nothing of the old one in reach, and init can connect again", async () => {
      await using guest = await Guest.start(build, { before: holder });
      assert.deepEqual(await guest.link.setup("/late", "", soon()), { errno: 0, step: "" });
      assert.deepEqual(await guest.link.setup("/late", "", soon()), { errno: 0, step: "" });
      assert.deepEqual(await guest.link.setup("/usr", "", soon()), { errno: errno.EBUSY, step: "root" });
      await guest.stopListening();
      await guest.listen();
      await guest.link.whenConnected(soon());
      const look =
        "ls -A / | tr '\\n' ' '; grep CapBnd /proc/self/status; grep -c holder /proc/1/mountinfo; ls -l /proc/1/cwd";
      const seen = (await guest.run(1, ["sh", "-c", look], { env: ["PATH=/bin"] })).stdout;
      assert.match(seen, /^\.atoll bin dev late-marker lib lib64 proc sys usr /);
      const bounding = BigInt(`0x${/CapBnd:\s+([0-9a-f]+)/.exec(seen)?.[1]}`);
      assert.equal((bounding >> 21n) & 1n, 0n, "CAP_SYS_ADMIN is gone");
      assert.match(seen, /\n0\n.* -> \/\n$/);
    });
  });
}

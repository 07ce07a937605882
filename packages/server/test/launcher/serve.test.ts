import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { FrameDecoder, FrameWriter } from "../../src/init/frames.ts";
import { attachFrame, decodeAnswer, frameLimit, spawnFrame, watchFrame } from "../../src/launcher/frames.ts";
import { Host, isRunning, soon, until } from "./host.ts";
import { builds } from "./programs.ts";

const execute = promisify(execFile);

function mountsOf(pid: number): string {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8");
}

for (const { name, launcher: binary } of builds()) {
  describe(`the ${name} launcher`, () => {
    test("writes its pid, and keeps its socket to its own user", async () => {
      await using host = await Host.start(binary);
      assert.equal(Number(readFileSync(host.pidfile, "utf8")), host.launcher.pid);
      assert.equal(statSync(host.socketPath).mode & 0o777, 0o600);
    });

    test("refuses to start where another one answers", async () => {
      await using host = await Host.start(binary);
      for (const detach of [[], ["--detach"]]) {
        const second = execute(binary, ["serve", "--socket", host.socketPath, ...detach], { signal: soon() });
        await assert.rejects(second, { code: 3, stderr: /^launcher: cannot serve: another launcher answers/ });
      }
      assert.equal((await host.launcher.run(["echo", "here"])).stdout, "here\n");
    });

    test("replaces a socket that a killed one has left", async () => {
      await using host = await Host.start(binary);
      const first = host.launcher.pid;
      process.kill(first, "SIGKILL");
      await host.launcher.lost;
      assert.ok(existsSync(host.socketPath));
      await host.connect();
      assert.notEqual(host.launcher.pid, first);
      assert.equal((await host.launcher.run(["echo", "again"])).stdout, "again\n");
    });

    test("says what is wrong when it cannot start", async () => {
      const missing = execute(binary, ["serve", "--detach", "--socket", "/missing/socket"]);
      await assert.rejects(missing, {
        code: 1,
        stderr: "launcher: cannot serve: open /missing/socket.lock: No such file or directory\n",
      });
      await assert.rejects(execute(binary, ["serve"]), { code: 2, stderr: /^usage: / });
    });

    test("ends at SIGTERM and removes its socket and pid file", async () => {
      await using host = await Host.start(binary);
      process.kill(host.launcher.pid, "SIGTERM");
      await host.launcher.lost;
      await until(() => !isRunning(host.launcher.pid));
      assert.ok(!existsSync(host.socketPath) && !existsSync(host.pidfile));
    });

    test("runs on without a daemon, and the newest daemon wins", async () => {
      await using host = await Host.start(binary);
      const first = host.launcher;
      await host.connect();
      await first.lost;
      await assert.rejects(first.run(["true"]), { code: "unavailable" });
      host.launcher.close();
      const { pid } = await host.connect();
      assert.equal(pid, first.pid);
    });

    test("has mounts and a network of its own, and names of networks that nobody else sees", async () => {
      await using host = await Host.start(binary);
      const { pid } = host.launcher;
      assert.notEqual(readlinkSync(`/proc/${pid}/ns/mnt`), readlinkSync("/proc/self/ns/mnt"));
      assert.notEqual(readlinkSync(`/proc/${pid}/ns/net`), readlinkSync("/proc/self/ns/net"));
      const network = `launchertest${process.pid}`;
      await host.launcher.run(["ip", "netns", "add", network]);
      assert.match((await host.launcher.run(["ip", "netns", "list"])).stdout, new RegExp(network));
      assert.ok(!existsSync(join("/run/netns", network)));
      assert.ok(!mountsOf(process.pid).includes(network));
      if (existsSync("/sys/fs/cgroup/memory")) assert.ok(!mountsOf(pid).includes(" cgroup2 "));
    });

    test("lets a command enter its mounts without displacing the daemon", async () => {
      await using host = await Host.start(binary);
      const script = "readlink /proc/self/ns/mnt; readlink /proc/self/ns/net; pwd; exit 5";
      const argv = ["enter", "--socket", host.socketPath, "--", "sh", "-c", script];
      const entered = execute(binary, argv, { cwd: host.directory, signal: soon() });
      await assert.rejects(entered, {
        code: 5,
        stdout: [
          readlinkSync(`/proc/${host.launcher.pid}/ns/mnt`),
          readlinkSync("/proc/self/ns/net"),
          `${host.directory}\n`,
        ].join("\n"),
      });
      assert.equal((await host.launcher.run(["echo", "here"])).stdout, "here\n");
    });

    test("makes `enter` fail clearly when there is no launcher or no command", async () => {
      await using host = await Host.start(binary);
      const nowhere = execute(binary, ["enter", "--socket", "/missing/socket", "--", "true"]);
      await assert.rejects(nowhere, { code: 125, stderr: /^launcher: cannot enter the launcher at \/missing\/socket/ });
      const nothing = execute(binary, ["enter", "--socket", host.socketPath, "--", "missing-command"]);
      await assert.rejects(nothing, { code: 127, stderr: /^launcher: cannot execute missing-command/ });
    });

    test("survives many connections that never attach, beside the daemon's own", async () => {
      await using host = await Host.start(binary);
      const sockets = Array.from({ length: 40 }, () => connect(host.socketPath).on("error", () => undefined));
      try {
        await Promise.all(sockets.map((socket) => once(socket, "connect")));
        assert.equal((await host.launcher.run(["echo", "here"])).stdout, "here\n");
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    });

    const program = {
      env: {},
      cwd: "",
      cgroups: [],
      stdin: "",
      inHostNetwork: false,
      hideProcSysNet: false,
      isWatched: false,
    };
    const beginnings: Readonly<Record<string, Buffer>> = {
      "a request before attaching": watchFrame(1, process.pid),
      "another version": new FrameWriter().u32(99).frame(0x40, frameLimit),
      "attaching twice": Buffer.concat([attachFrame(), attachFrame()]),
      "an unknown type": Buffer.concat([attachFrame(), new FrameWriter().u32(1).frame(0x7f, frameLimit)]),
      "a frame that is too long": Buffer.concat([attachFrame(), Buffer.from([1, 0, 16, 0])]),
      "an empty frame": Buffer.alloc(4),
      "no program": Buffer.concat([attachFrame(), spawnFrame(1, { ...program, argv: [] })]),
      "a NUL in an argument": Buffer.concat([attachFrame(), spawnFrame(1, { ...program, argv: ["touch", "a\0b"] })]),
      "a truncated payload": Buffer.concat([attachFrame(), Buffer.from([2, 0, 0, 0, 0x42, 1])]),
    };
    for (const [what, bytes] of Object.entries(beginnings)) {
      test(`closes a connection that sends ${what}, and no other`, async () => {
        await using host = await Host.start(binary);
        const watched = host.keep(await host.launcher.spawnWatched(["sleep", "1000"]));
        const socket = connect(host.socketPath);
        socket.on("error", () => undefined).resume();
        socket.write(bytes);
        await once(socket, "close", { signal: soon() });
        await host.connect();
        assert.deepEqual(
          host.launcher.watched.map(({ pid }) => pid),
          [watched.pid],
        );
      });
    }

    test("takes up the requests that had to wait while a daemon did not read", async () => {
      await using host = await Host.start(binary);
      const socket = connect(host.socketPath);
      const count = 600;
      const argv = ["head", "-c", "60000", "/dev/zero"];
      const path = process.env.PATH ?? "/usr/bin:/bin";
      socket.write(attachFrame());
      for (let request = 1; request <= count; request++) {
        socket.write(spawnFrame(request, { ...program, env: { PATH: path }, argv }));
      }
      socket.pause();
      const decoder = new FrameDecoder(frameLimit);
      const finished = new Set<number>();
      for await (const chunk of socket.iterator({ destroyOnReturn: true })) {
        for (const frame of decoder.decode(chunk)) {
          const answer = decodeAnswer(frame);
          if (answer.type !== "finished") continue;
          assert.equal(answer.stdout.length, 60_000);
          finished.add(answer.request);
        }
        if (finished.size === count) break;
      }
      assert.equal(finished.size, count);
    });
  });
}

test("the launcher's usage is told when it is called wrongly", () => {
  const [plain] = builds();
  assert.throws(() => execFileSync(plain?.launcher ?? "", ["enter"], { stdio: "pipe" }), { status: 2 });
});

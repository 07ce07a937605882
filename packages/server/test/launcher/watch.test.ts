import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { exitOf, Launcher } from "../../src/launcher/client.ts";
import { Host, isRunning, soon, until } from "./host.ts";
import { builds } from "./programs.ts";

const { SIGKILL, SIGTERM } = constants.signals;

/** Starts a program whose parent ends at once, and resolves with its pid. */
async function daemonised(host: Host, script: string): Promise<number> {
  const { stdout } = await host.launcher.run(
    ["sh", "-c", `sh -c "$1" > /dev/null 2>&1 & echo $!`, "sh", `exec ${script}`],
    { signal: soon() },
  );
  return Number(stdout);
}

for (const { name, launcher: binary } of builds()) {
  describe(`processes watched by the ${name} launcher`, () => {
    test("report their end with their status", async () => {
      await using host = await Host.start(binary);
      const process = await host.launcher.spawnWatched(["sh", "-c", "exit 7"], { signal: soon() });
      assert.deepEqual(exitOf((await process.gone).status), { exitCode: 7, signal: undefined });
      await assert.rejects(process.kill(SIGTERM), { errno: "ESRCH" });
    });

    test("are told apart from programs that cannot be executed", async () => {
      await using host = await Host.start(binary);
      await assert.rejects(host.launcher.spawnWatched(["/missing"]), { errno: "ENOENT", step: "exec /missing" });
      assert.deepEqual(host.launcher.watched, []);
    });

    test("have nothing on their stdio, and above all no device of the host", async () => {
      await using host = await Host.start(binary);
      const script = "! read line && test \"$(readlink /proc/$$/fd/$1)\" = '/memfd:nothing (deleted)'";
      for (const stream of ["0", "1", "2"]) {
        const process = await host.launcher.spawnWatched(["sh", "-c", script, "sh", stream], { signal: soon() });
        assert.equal((await process.gone).status, 0);
      }
    });

    test("may be daemonised descendants, whose pid and start time name them", async () => {
      await using host = await Host.start(binary);
      const pid = await daemonised(host, "sleep 1000");
      const process = host.keep(await host.launcher.watch(pid, soon()));
      assert.equal(await host.launcher.watch(pid, soon()), process);
      await process.kill(SIGTERM);
      assert.deepEqual(exitOf((await process.gone).status), { exitCode: undefined, signal: SIGTERM });
    });

    test("may have ended before anybody watched them", async () => {
      await using host = await Host.start(binary);
      const pid = await daemonised(host, "sh -c 'exit 5'");
      await until(() => !isRunning(pid));
      const process = await host.launcher.watch(pid, soon());
      assert.equal((await process.gone).status, 5 << 8);
    });

    test("may be reaped by a parent of their own", async () => {
      await using host = await Host.start(binary);
      const script =
        "sh -c 'read go; exit 9' < $1/go & echo $! > $1/pid.new; mv $1/pid.new $1/pid; wait; exec sleep 1000";
      await host.launcher.run(["mkfifo", `${host.directory}/go`]);
      host.keep(await host.launcher.spawnWatched(["sh", "-c", script, "sh", host.directory]));
      const read = `until test -e pid; do sleep 0.01; done; cat pid`;
      const { stdout } = await host.launcher.run(["sh", "-c", read], { cwd: host.directory, signal: soon() });
      const process = await host.launcher.watch(Number(stdout), soon());
      await host.launcher.run(["sh", "-c", "echo go > go"], { cwd: host.directory, signal: soon() });
      const { status } = await process.gone;
      assert.ok(status === 9 << 8 || status === -1, `status ${status}`); // -1: the parent was quicker
    });

    test("are none of the machine's other processes", async () => {
      await using host = await Host.start(binary);
      for (const pid of [process.pid, 1, 0, host.launcher.pid, 0xffffffff])
        await assert.rejects(host.launcher.watch(pid, soon()), { errno: "ESRCH" });
    });

    test("are signalled only if the start time is right", async () => {
      await using host = await Host.start(binary);
      const own = host.keep(await host.launcher.spawnWatched(["sleep", "1000"]));
      const wrong = { pid: own.pid, startTime: own.startTime + 1 };
      await assert.rejects(host.launcher.kill(wrong, SIGKILL), { errno: "ESRCH" });
      assert.ok(isRunning(own.pid));
      await own.kill(SIGKILL);
      assert.equal((await own.gone).status, SIGKILL);
    });

    test("are signalled only if they are watched", async () => {
      await using host = await Host.start(binary);
      const child = spawn("sleep", ["1000"], { stdio: "ignore" });
      const ended = once(child, "exit");
      try {
        assert.ok(child.pid !== undefined);
        await assert.rejects(host.launcher.kill({ pid: child.pid, startTime: 1 }, SIGKILL), { errno: "ESRCH" });
        const pid = await daemonised(host, "sleep 1000");
        const watched = host.keep(await host.launcher.watch(pid, soon()));
        watched.forget();
        await assert.rejects(host.launcher.kill(watched, SIGKILL), { errno: "ESRCH" });
        assert.ok(isRunning(pid));
      } finally {
        child.kill("SIGKILL");
        await ended;
      }
    });

    test("report their end to every later daemon until one has recorded it", async () => {
      await using host = await Host.start(binary);
      const running = host.keep(await host.launcher.spawnWatched(["sleep", "1000"]));
      const ending = await host.launcher.spawnWatched(["sh", "-c", "exit 4"]);
      await ending.gone;
      host.launcher.close();

      await host.connect();
      const found = await host.launcher.watch(ending.pid, soon());
      assert.equal(found.startTime, ending.startTime);
      assert.equal((await found.gone).status, 4 << 8);
      assert.ok(host.launcher.watched.some(({ pid }) => pid === running.pid));
      host.launcher.close();

      await host.connect();
      await host.launcher.run(["true"]); // its answer comes after the repeated ends
      const repeated = host.launcher.watched.find(({ pid }) => pid === ending.pid);
      assert.equal((await repeated?.gone)?.status, 4 << 8);
      repeated?.forget();
      await host.launcher.run(["true"]);
      host.launcher.close();

      await host.connect();
      await host.launcher.run(["true"]);
      assert.deepEqual(
        host.launcher.watched.map(({ pid }) => pid),
        [running.pid],
      );
    });

    test("end while no daemon is there, and the next one hears of it", async () => {
      await using host = await Host.start(binary);
      const { pid } = await host.launcher.spawnWatched(["sh", "-c", "sleep 0.2; exit 6"]);
      host.launcher.close();
      await until(() => !isRunning(pid));
      await host.connect();
      const found = await host.launcher.watch(pid, soon());
      assert.equal((await found.gone).status, 6 << 8);
    });

    test("are waited for no longer when the launcher is lost, like everything else", async () => {
      await using host = await Host.start(binary);
      const { launcher } = host;
      const watched = host.keep(await launcher.spawnWatched(["sleep", "1000"]));
      const gone = assert.rejects(watched.gone, { code: "unavailable" });
      const running = assert.rejects(launcher.run(["sleep", "1000"]), { code: "unavailable" });
      const sleeper = await launcher.run(["sh", "-c", "echo $PPID"]);
      assert.equal(Number(sleeper.stdout), launcher.pid);
      const children = await launcher.run(["sh", "-c", `cat /proc/$PPID/task/$PPID/children`]);
      for (const pid of children.stdout.trim().split(" ").map(Number))
        if (isRunning(pid)) host.keep(await launcher.watch(pid));
      process.kill(launcher.pid, "SIGKILL");
      await Promise.all([gone, running, launcher.lost]);
      await assert.rejects(launcher.run(["true"]), { code: "unavailable" });
      await assert.rejects(Launcher.connect(host.socketPath), { code: "ECONNREFUSED" });
      assert.ok(isRunning(watched.pid));
    });
  });
}

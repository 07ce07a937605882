import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { LauncherError } from "../../src/launcher/client.ts";
import { Host, isRunning, soon, until } from "./host.ts";
import { builds } from "./programs.ts";

function cgroupParent(): string {
  return existsSync("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
}

for (const { name, launcher: binary } of builds()) {
  describe(`a program run by the ${name} launcher`, () => {
    const shell = (host: Host, script: string, options = {}) =>
      host.launcher.run(["sh", "-c", script], { signal: soon(), ...options });

    test("has its streams captured apart, and its exit code returned", async () => {
      await using host = await Host.start(binary);
      const result = await shell(host, "echo out; echo err >&2; exit 3");
      assert.deepEqual(result, { status: 3 << 8, exitCode: 3, stdout: "out\n", stderr: "err\n" });
    });

    test("that a signal ends has no exit code", async () => {
      await using host = await Host.start(binary);
      const result = await shell(host, "kill -9 $$");
      assert.equal(result.exitCode, undefined);
      assert.equal(result.status, 9);
    });

    test("gets exactly the given environment, directory and stdin", async () => {
      await using host = await Host.start(binary);
      const env = { PATH: "/usr/bin:/bin", GREETING: "hello, wörld\n" };
      const result = await host.launcher.run(["sh", "-c", "env -0; pwd; cat; cat /dev/stdin"], {
        env,
        cwd: host.directory,
        stdin: "typed",
      });
      const [path, greeting, rest] = result.stdout.split("\0").filter((item) => !/^(PWD|_|OLDPWD|SHLVL)=/.test(item));
      assert.deepEqual([path, greeting].sort(), ["GREETING=hello, wörld\n", "PATH=/usr/bin:/bin"]);
      assert.equal(rest, `${host.directory}\ntypedtyped`);
    });

    test("reads an empty stdin when none is given", async () => {
      await using host = await Host.start(binary);
      assert.equal((await shell(host, "cat; echo $?")).stdout, "0\n");
    });

    test("is looked up in the PATH that it is given", async () => {
      await using host = await Host.start(binary);
      await assert.rejects(host.launcher.run(["sh"], { env: { PATH: host.directory } }), { errno: "ENOENT" });
    });

    test("may write more than is captured, and is not held up by it", async () => {
      await using host = await Host.start(binary);
      const result = await shell(host, "head -c 3000000 /dev/zero | tr '\\0' a; echo end >&2");
      assert.equal(result.exitCode, 0);
      assert.equal(result.stdout, "a".repeat(65536));
      assert.equal(result.stderr, "end\n");
    });

    test("may leave somebody behind who keeps its output open", async () => {
      await using host = await Host.start(binary);
      const result = await shell(host, "sleep 1000 & echo $!");
      host.keep(await host.launcher.watch(Number(result.stdout)));
      assert.equal(result.exitCode, 0);
    });

    test("that cannot be executed names the step and the error", async () => {
      await using host = await Host.start(binary);
      const failed = (argv: string[], options: object) =>
        host.launcher.run(argv, options).catch((error: unknown) => error);
      const missing = await failed(["/missing/program"], {});
      assert.ok(missing instanceof LauncherError);
      assert.deepEqual([missing.errno, missing.step], ["ENOENT", "exec /missing/program"]);
      assert.match(missing.message, /^cannot run /);
      const forbidden = await failed(["/etc/passwd"], {});
      assert.ok(forbidden instanceof LauncherError && forbidden.errno === "EACCES");
      const nowhere = await failed(["true"], { cwd: "/missing" });
      assert.ok(nowhere instanceof LauncherError && nowhere.step === "cwd /missing");
      const unlimited = await failed(["true"], { cgroups: ["/missing/cgroup.procs"] });
      assert.ok(unlimited instanceof LauncherError && unlimited.step === "cgroup /missing/cgroup.procs");
    });

    test("is in its cgroups before it is executed", async () => {
      await using host = await Host.start(binary);
      const cgroup = join(cgroupParent(), `atoll-launcher-test-${process.pid}`);
      mkdirSync(cgroup);
      try {
        const { stdout } = await shell(host, "cat /proc/self/cgroup", { cgroups: [join(cgroup, "cgroup.procs")] });
        assert.match(stdout, new RegExp(`:/atoll-launcher-test-${process.pid}$`, "m"));
        assert.doesNotMatch((await shell(host, "cat /proc/self/cgroup")).stdout, /atoll-launcher-test/);
      } finally {
        rmdirSync(cgroup);
      }
    });

    test("is in the gateway's network unless the host's is asked for", async () => {
      await using host = await Host.start(binary);
      const network = async (options: object) =>
        (await shell(host, "readlink /proc/self/ns/net", options)).stdout.trim();
      const [gateway, own] = [await network({}), readlinkSync("/proc/self/ns/net")];
      assert.equal(gateway, readlinkSync(`/proc/${host.launcher.pid}/ns/net`));
      assert.notEqual(gateway, own);
      assert.equal(await network({ inHostNetwork: true }), own);
      assert.match((await shell(host, "ip -o link")).stdout, /^1: lo: <LOOPBACK,UP,LOWER_UP>[^\n]*\n$/);
    });

    test("sees no settings below /proc/sys/net when they are hidden, and sees them otherwise", async () => {
      await using host = await Host.start(binary);
      assert.equal((await shell(host, "ls /proc/sys/net", { hideProcSysNet: true })).stdout, "");
      assert.match((await shell(host, "ls /proc/sys/net")).stdout, /ipv4/);
    });

    test("inherits nothing of the launcher's: no descriptor, no blocked or ignored signal, no raised limit", async () => {
      await using host = await Host.start(binary);
      const { stdout } = await host.launcher.run(["ls", "-1", "/proc/self/fd"]);
      assert.deepEqual(stdout.split("\n").filter(Boolean), ["0", "1", "2", "3"]); // 3 is the directory that ls reads
      const signals = await host.launcher.run(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
      assert.match(signals.stdout, /^SigBlk:\s0+\nSigIgn:\s0+\n$/);
      const own = readFileSync("/proc/self/limits", "utf8").match(/^Max open files.*$/m)?.[0];
      const hard = own?.split(/\s{2,}/)[2];
      const limits = await host.launcher.run(["grep", "Max open files", "/proc/self/limits"]);
      assert.equal(limits.stdout.split(/\s{2,}/)[2], hard);
    });

    test("is killed with its children when its time is up or nobody waits any more", async () => {
      await using host = await Host.start(binary);
      const file = join(host.directory, "pids");
      const script = `sleep 1000 & echo $! $$ > ${file}.new; mv ${file}.new ${file}; wait`;
      await assert.rejects(shell(host, script, { timeoutMs: 300 }), (error) => {
        return error instanceof AtollError && error.code === "timeout";
      });
      const abort = new AbortController();
      const running = shell(host, script.replaceAll(file, `${file}2`), { signal: abort.signal });
      await until(() => existsSync(`${file}2`));
      abort.abort(new Error("enough"));
      await assert.rejects(running, { message: "enough" });
      for (const each of [file, `${file}2`])
        for (const pid of readFileSync(each, "utf8").split(" ").map(Number)) await until(() => !isRunning(pid));
    });

    test("runs beside hundreds of others, and none leaves a descriptor or a process in the launcher", async () => {
      await using host = await Host.start(binary);
      const count = () => readdirSync(`/proc/${host.launcher.pid}/fd`).length;
      await shell(host, "true");
      const before = count();
      const results = await Promise.all(
        Array.from({ length: 700 }, (_, index) => host.launcher.run(["echo", String(index)], { signal: soon() })),
      );
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        Array.from({ length: 700 }, (_, index) => `${index}\n`),
      );
      await Promise.all(Array.from({ length: 50 }, () => host.launcher.run(["/missing"]).catch(() => undefined)));
      assert.equal(count(), before);
      const children = readFileSync(`/proc/${host.launcher.pid}/task/${host.launcher.pid}/children`, "utf8");
      assert.equal(children, "");
    });
  });
}

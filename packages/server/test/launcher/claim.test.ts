import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { buildPrograms, Claims, loopDevices, rootId, seen } from "./claimed.ts";
import { Host, isRunning, until } from "./host.ts";
import { builds } from "./programs.ts";

const MiB = 1024 ** 2;
const programs = buildPrograms();
after(() => rmSync(programs.directory, { recursive: true, force: true }));

function mountPoints(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").sort();
}

/** Owner of a file in a disk that nothing has mounted, as `uid gid`. */
function ownerOnDisk(disk: string, path: string): string {
  const told = execFileSync("debugfs", ["-R", `stat ${path}`, disk], { stdio: "pipe" }).toString();
  const [, uid, gid] = told.match(/User:\s+(\d+)\s+Group:\s+(\d+)/) ?? [];
  return `${uid} ${gid}`;
}

const modes = builds().flatMap(({ name, launcher }) => [
  { name: `the ${name} launcher`, launcher, environment: {} },
  { name: `the ${name} launcher as on kernels before 6.13`, launcher, environment: { ATOLL_CLAIM_WITHOUT_FD: "1" } },
]);

for (const { name, launcher, environment } of modes) {
  describe(`a root claimed from ${name}`, () => {
    const start = () => Host.start(launcher, environment);

    test("becomes the holder's root, with what it carried and nothing of what it had", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const holder = await claims.claimed();
      assert.deepEqual(mountPoints(holder.pid), ["/", "/dev", "/dev/shm", "/proc", "/sys"]);
      assert.deepEqual(readdirSync(seen(holder, "/")).sort(), ["bin", "dev", "etc", "proc", "sys"]);
      assert.deepEqual(readdirSync(seen(holder, "/sys/class/net")), ["lo"]);
      assert.ok(existsSync(seen(holder, "/proc/1/status")));
      assert.match(await claims.inside(holder, "write", "/sys/kernel/notes"), /^E(ACCES|ROFS)$/);
    });

    test("shows the layers' files, the upper ones first, and leaves the layers as they are", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const layers = [claims.base({ one: "1", both: "low" }), claims.layer({ two: "2", both: "high" })];
      const holder = await claims.claimed({ layers });
      const read = (path: string) => readFileSync(seen(holder, path), "utf8");
      assert.deepEqual([read("/one"), read("/two"), read("/both")], ["1", "2", "high"]);
      assert.equal(await claims.inside(holder, "write", "/both"), "ok");
      assert.equal(await claims.inside(holder, "remove", "/one"), "ok");
      assert.equal(read("/both"), "highinside\n");
      assert.ok(!existsSync(seen(holder, "/one")));
      assert.equal(readFileSync(join(layers[0] ?? "", "one"), "utf8"), "1");
      assert.equal(readFileSync(join(layers[1] ?? "", "both"), "utf8"), "high");
    });

    test("belongs to the sandbox's root, whose own numbers are what is on disk", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const writable = await claims.disk();
      const holder = await claims.claimed({ writable });
      assert.equal(await claims.inside(holder, "owner", "/"), "0 0 755");
      assert.equal(await claims.inside(holder, "owner", "/etc/passwd"), "0 0 644");
      assert.equal(await claims.inside(holder, "owner", "/sys"), "65534 65534 555");
      for (const path of ["/root-made", "/given-away"]) assert.equal(await claims.inside(holder, "write", path), "ok");
      assert.equal(await claims.inside(holder, "chown", "/given-away"), "ok");
      assert.equal(await claims.inside(holder, "chown", "/etc/passwd"), "ok");
      assert.equal(await claims.inside(holder, "mkdir", "/directory"), "ok");
      assert.equal(statSync(seen(holder, "/given-away")).uid, rootId + 1234);
      await holder.kill(9);
      await holder.gone;
      await until(() => loopDevices(host.directory).length === 0);
      const owner = (path: string) => ownerOnDisk(writable, `/upper${path}`);
      assert.deepEqual(["", "/root-made", "/directory", "/proc"].map(owner), ["0 0", "0 0", "0 0", "0 0"]);
      assert.deepEqual(["/given-away", "/etc/passwd"].map(owner), ["1234 4321", "1234 4321"]);
    });

    test("is full when its disk is, says so, and has the size it was given", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const holder = await claims.claimed({ writable: await claims.disk(8 * MiB) });
      const [total = 0, free = 0] = (await claims.inside(holder, "size", "/")).split(" ").map(Number);
      assert.ok(total > 7 * MiB && total <= 8 * MiB, `${total} bytes`);
      const [filled, error] = (await claims.inside(holder, "fill", "/big")).split(" ");
      assert.equal(error, "ENOSPC");
      assert.ok(Number(filled) > free * 0.9 && Number(filled) <= free, `${filled} of ${free} bytes`);
      const [, left = 0] = (await claims.inside(holder, "size", "/")).split(" ").map(Number);
      // ext4 keeps some blocks for its own tables.
      assert.ok(left < free * 0.01, `${left} of ${free} bytes`);
      assert.equal(await claims.inside(holder, "remove", "/big"), "ok");
      assert.equal(await claims.inside(holder, "write", "/small"), "ok");
    });

    test("takes as many layers as overlayfs does, and refuses more", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const layers = [claims.base(), ...Array.from({ length: 499 }, (_, index) => claims.layer({ top: `${index}` }))];
      const holder = await claims.claimed({ layers });
      assert.equal(readFileSync(seen(holder, "/top"), "utf8"), "498");
      const another = await claims.holder();
      await assert.rejects(claims.claim(another, { layers: [...layers, claims.layer()] }), { errno: "EINVAL" });
      await assert.rejects(claims.claim(another, { layers: [] }), { errno: "EINVAL" });
    });

    test("shares its layers with others, and nothing else, when many are claimed at once", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const layers = [claims.base()];
      const disks = await Promise.all(Array.from({ length: 12 }, () => claims.disk()));
      const holders = await Promise.all(disks.map(async (writable) => claims.claimed({ layers, writable })));
      assert.equal(loopDevices(host.directory).length, holders.length);
      for (const holder of holders) assert.equal(await claims.inside(holder, "write", "/mine"), "ok");
      for (const holder of holders) assert.equal(readFileSync(seen(holder, "/mine"), "utf8"), "inside\n");
      assert.ok(!existsSync(join(layers[0] ?? "", "mine")));
    });

    test("has host directories bound: read-only, or writable with the sandbox's numbers on disk", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const [readOnly, writable] = [claims.layer({ file: "ro" }), claims.layer({ file: "rw" })];
      const foreign = claims.layer({ file: "host" });
      const holder = await claims.claimed({
        binds: [
          { source: readOnly, destination: "/deep/er/ro", isReadOnly: true, isIdmapped: true },
          { source: writable, destination: "/rw", isIdmapped: true },
          { source: foreign, destination: "/rw/nested" },
        ],
      });
      assert.equal(await claims.inside(holder, "write", "/deep/er/ro/file"), "EROFS");
      assert.equal(await claims.inside(holder, "write", "/rw/new"), "ok");
      assert.equal(await claims.inside(holder, "owner", "/rw/file"), "0 0 644");
      assert.equal(await claims.inside(holder, "owner", "/deep"), "0 0 755");
      assert.equal(await claims.inside(holder, "owner", "/rw/nested/file"), "65534 65534 644");
      assert.equal(await claims.inside(holder, "write", "/rw/nested/file"), "EACCES");
      assert.equal(readFileSync(join(writable, "new"), "utf8"), "inside\n");
      assert.equal(statSync(join(writable, "new")).uid, 0);
    });

    test("has host files bound over files, over nothing, and in place of symbolic links", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const base = claims.base({ "etc/hosts": "image", "run/victim": "victim" });
      symlinkSync("../run/victim", join(base, "etc/resolv.conf"));
      symlinkSync("/nowhere/at/all", join(base, "etc/dangling"));
      const source = join(claims.layer({ file: "host" }), "file");
      chmodSync(source, 0o666); // so that it is the mount that refuses
      const names = ["hosts", "new", "resolv.conf", "dangling"];
      const binds = names.map((file) => ({ source, destination: `/etc/${file}`, isReadOnly: true, isFile: true }));
      const holder = await claims.claimed({ layers: [base], binds });
      for (const file of names) {
        assert.equal(readFileSync(seen(holder, `/etc/${file}`), "utf8"), "host");
        assert.equal(await claims.inside(holder, "write", `/etc/${file}`), "EROFS");
      }
      assert.equal(readFileSync(seen(holder, "/run/victim"), "utf8"), "victim");
      assert.ok(lstatSync(join(base, "etc/resolv.conf")).isSymbolicLink());
    });

    test("has device nodes bound that work and that its root cannot change, and no other devices", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const base = claims.base();
      execFileSync("mknod", ["-m", "666", join(base, "smuggled"), "c", "1", "3"]);
      const binds = [{ source: "/dev/null", destination: "/dev/null", isDevice: true }];
      const holder = await claims.claimed({ layers: [base], binds });
      assert.equal(await claims.inside(holder, "write", "/dev/null"), "ok");
      assert.equal(await claims.inside(holder, "chown", "/dev/null"), "EPERM");
      assert.equal(await claims.inside(holder, "write", "/smuggled"), "EACCES");
      const none = { source: "/etc/passwd", destination: "/dev/none", isDevice: true };
      await assert.rejects(claims.claim(await claims.holder(), { binds: [none] }), { errno: "EINVAL" });
    });

    const redirections: Readonly<Record<string, { link: [string, string]; bind?: string; isFile?: boolean }>> = {
      "proc leads to etc": { link: ["etc", "proc"] },
      "dev leads out of the root": { link: ["../../../../dev", "dev"] },
      "sys leads to the root": { link: ["/", "sys"] },
      "a bind's directory is a link": { link: ["/", "data"], bind: "/data" },
      "a bind's parent is a link": { link: ["/etc", "data"], bind: "/data/inner" },
      "a file's parent is a link": { link: ["/", "conf"], bind: "/conf/passwd", isFile: true },
      "a link leads through proc": { link: ["/proc/self/root", "data"], bind: "/data/etc" },
    };
    for (const [what, { link, bind, isFile = false }] of Object.entries(redirections)) {
      test(`is refused when an image redirects: ${what}`, async () => {
        await using host = await start();
        const claims = new Claims(host, programs);
        const base = claims.base();
        symlinkSync(link[0], join(base, link[1]));
        const source = isFile ? join(base, "etc/passwd") : claims.layer();
        const binds = bind === undefined ? [] : [{ source, destination: bind, isFile }];
        const error: unknown = await claims.claimed({ layers: [base], binds }).catch((reason: unknown) => reason);
        assert.ok(error instanceof Error && "errno" in error && "step" in error, String(error));
        assert.equal(error.errno, "ELOOP");
        assert.equal(error.step, `mount point ${bind ?? link[1]}`);
        await until(() => loopDevices(host.directory).length === 1); // its holder has the unfinished root
      });
    }

    test("is refused for mount points with dots, and for binds that are of another kind", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const [directory, file] = [claims.layer({ file: "" }), join(claims.layer({ file: "" }), "file")];
      const refused = async (bind: { source: string; destination: string; isFile?: boolean }, errno: string) =>
        assert.rejects(claims.claim(await claims.holder(), { binds: [bind] }), { errno });
      await refused({ source: directory, destination: "/../escape" }, "EINVAL");
      await refused({ source: directory, destination: "/a/./b" }, "EINVAL");
      await refused({ source: directory, destination: "/etc/passwd" }, "ENOTDIR");
      await refused({ source: directory, destination: "/data", isFile: true }, "EINVAL");
      await refused({ source: file, destination: "/data" }, "EINVAL");
      await refused({ source: file, destination: "/", isFile: true }, "EISDIR");
      await refused({ source: "/missing", destination: "/data" }, "ENOENT");
    });

    test("names the step that failed, and leaves no device behind", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const failed = async (wanted: object) => {
        const holder = await claims.holder();
        const error: unknown = await claims.claim(holder, wanted).catch((reason: unknown) => reason);
        assert.ok(error instanceof Error && "errno" in error && "step" in error, String(error));
        await until(() => loopDevices(host.directory).length === 0);
        return `${error.step}: ${error.errno}`;
      };
      const empty = join(host.directory, "empty.ext4");
      writeFileSync(empty, Buffer.alloc(MiB));
      assert.equal(await failed({ layers: ["/missing/layer"] }), "open /missing/layer: ENOENT");
      assert.equal(await failed({ writable: "/missing/disk" }), "attach /missing/disk: ENOENT");
      assert.equal(await failed({ writable: empty }), `mount ${empty}: EINVAL`);
      assert.equal(await failed({ mountNamespacePid: process.pid }), `holder ${process.pid}: ESRCH`);
      assert.equal(await failed({ userNamespacePid: 1 }), "holder 1: ESRCH");
      assert.equal(await failed({ target: "/missing" }), "mount point /missing: ENOENT");
      assert.match(await failed({ layers: [empty] }), /^overlay.*: (ENOTDIR|EINVAL)$|^stage 0: /);
    });

    test("is refused rather than silently read-only", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const refused = claims.claim(await claims.holder(), { rootId: 5 });
      await assert.rejects(refused, { errno: "EROFS", step: "overlay: the writable layer was not accepted" });
    });

    test("leaves the holder's own root below it when it shall not pivot, and maps nothing without a user namespace", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const writable = await claims.disk();
      const holder = await claims.holder(0);
      const bind = { source: claims.layer({ file: "bound" }), destination: "/data" };
      const wanted = { userNamespacePid: 0, rootId: 0, moves: [], hasSysfs: false, pivot: false, binds: [bind] };
      await claims.claim(holder, { ...wanted, writable });
      assert.deepEqual(mountPoints(holder.pid), ["/", "/dev", "/dev/shm", "/newroot", "/newroot/data", "/proc"]);
      writeFileSync(seen(holder, "/newroot/made"), "made");
      assert.equal(statSync(seen(holder, "/newroot/etc/passwd")).uid, 0);
      assert.equal(readFileSync(seen(holder, "/newroot/data/file"), "utf8"), "bound");
      await holder.kill(9);
      await holder.gone;
      await until(() => loopDevices(host.directory).length === 0);
      assert.equal(ownerOnDisk(writable, "/upper/made"), "0 0");
    });

    test("closes mounts of the holder to writes, and not what is mounted below them", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const holder = await claims.holder(0);
      const wanted = { userNamespacePid: 0, rootId: 0, moves: [], hasSysfs: false, pivot: false };
      await assert.rejects(claims.claim(holder, { ...wanted, closed: ["/newroot"] }), { step: "close /newroot" });
      await claims.claim(holder, { ...wanted, closed: ["/dev"] });
      assert.throws(() => writeFileSync(seen(holder, "/dev/made"), ""), { code: "EROFS" });
      writeFileSync(seen(holder, "/dev/shm/made"), "");
      writeFileSync(seen(holder, "/newroot/made"), "");
    });

    test("leaves no mount, loop device or descriptor when its holder is gone", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const { pid } = host.launcher;
      // Other tests mount meanwhile, where their own files and network namespaces are.
      const isOthers = (path: string) => /^(\/tmp|\/run\/netns)\//.test(path) && !path.startsWith(host.directory);
      const mounts = (of: number) => mountPoints(of).filter((path) => !isOthers(path));
      const traces = () => [mounts(process.pid), mounts(pid), readdirSync(`/proc/${pid}/fd`)];
      await host.launcher.run(["true"]);
      const before = traces();
      const holder = await claims.claimed();
      assert.deepEqual(traces().slice(0, 2), before.slice(0, 2));
      assert.equal(loopDevices(host.directory).length, 1);
      await holder.kill(9);
      await holder.gone;
      await until(() => loopDevices(host.directory).length === 0);
      await until(() => traces()[2]?.length === before[2]?.length);
      assert.deepEqual(traces(), before);
    });

    test("outlives a launcher that is killed, and leaves as little behind", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const holder = await claims.claimed();
      process.kill(host.launcher.pid, "SIGKILL");
      await host.launcher.lost;
      assert.ok(existsSync(seen(holder, "/bin/inside")));
      assert.equal(loopDevices(host.directory).length, 1);
      process.kill(holder.pid, "SIGKILL");
      await until(() => !isRunning(holder.pid));
      await until(() => loopDevices(host.directory).length === 0);
    });

    test("keeps out who may not pass through the host's directories to its layers", async () => {
      await using host = await start();
      const claims = new Claims(host, programs);
      const layers = [claims.base({ file: "reachable" })];
      chmodSync(host.directory, 0o700); // nothing is looked up by path from inside
      mkdirSync(join(host.directory, "unreachable"), { mode: 0o700 });
      const holder = await claims.claimed({ layers });
      assert.equal(await claims.inside(holder, "owner", "/file"), "0 0 644");
      assert.equal(await claims.inside(holder, "owner", join(host.directory, "unreachable")), "ENOENT");
    });
  });
}

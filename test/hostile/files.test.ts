/** Files, mounts and devices that are not the sandbox's. Controls run the same attempt on the host, where it gets through. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eachIsolation, hostPids, newSandbox, run, sharedSandbox, shell } from "../support/isolation.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";

useServer();
const probes = useProbes();

/** Only the host has it. */
let secret = "";
before(() => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-secret-"));
  secret = join(directory, "only-on-the-host");
  writeFileSync(secret, "secret");
});
after(() => rmSync(join(secret, ".."), { recursive: true, force: true }));

/** Devices of a machine by their numbers: memory, ports, kernel log, disk control, fuse, kvm, tun, console, loop. */
const devices = ["c 1 1", "c 1 4", "c 1 11", "c 10 237", "c 10 229", "c 10 232", "c 10 200", "c 5 1", "b 7 0"];
/** What the kernel tells or takes from root, none of it by namespaces. */
const kernelFiles = [
  ["read", "/proc/kcore"],
  ["read", "/proc/kmsg"],
  ["read", "/proc/keys"],
  ["read", "/proc/key-users"],
  ["read", "/dev/mem"],
  ["read", "/dev/kmsg"],
  ["write", "/proc/sysrq-trigger", "h"],
  ["write", "/proc/sys/kernel/core_pattern", "|/bin/true"],
  ["write", "/proc/sys/kernel/modprobe", "/bin/true"],
  ["write", "/proc/sys/vm/drop_caches", "1"],
  ["write", "/proc/sys/kernel/panic", "1"],
  ["write", "/sys/kernel/uevent_helper", "/bin/true"],
  ["create", "/sys/fs/cgroup/escape"],
  ["create", "/sys/kernel/escape"],
] as const;

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });

  test("the probes are in the sandbox", () => probes.install(sandbox()));

  test("the host's files are in reach neither by path, nor through /proc, nor by leaving the root", async () => {
    for (const attempt of [
      ["read", secret],
      ["look-through-proc", secret],
    ]) {
      probes.assertReached([], attempt);
      await probes.assertRefused(sandbox(), attempt);
    }
    const outside = mkdtempSync(join(tmpdir(), "atoll-chroot-"));
    try {
      mkdirSync(join(outside, "tmp"));
      writeFileSync(join(outside, "escape"), readFileSync(probes.path), { mode: 0o755 });
      probes.assertReachedBy(["chroot", outside, "/escape", "leave-chroot", secret]);
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
    await probes.assertRefused(sandbox(), ["leave-chroot", secret]);
    for (const path of ["/", "/.."]) {
      const seen = await shell(
        sandbox(),
        `test -e ${path}${secret} && echo seen; test -e ${process.env.ATOLL_STATE_DIR}/token && echo token; true`,
      );
      assert.equal(seen.stdout, "");
    }
  });

  test("a file system that a file of the host is bound from cannot be walked by handle", async () => {
    probes.assertReached([], ["open-by-handle", secret, "."]);
    for (const bound of ["/etc/hosts", "/etc/resolv.conf", "/.atoll", "/"])
      await probes.assertRefused(sandbox(), ["open-by-handle", bound, "."]);
  });

  test("devices of the machine can be neither made nor opened, and its disks not mounted", async () => {
    const disk = statSync("/").dev;
    const numbers = [String((disk >> 8) & 0xfff), String((disk & 0xff) | ((disk >> 12) & 0xfff00))];
    for (const device of [...devices, ["b", ...numbers].join(" ")])
      await probes.assertRefused(sandbox(), ["open-device", ...device.split(" ")]);
    await probes.assertRefused(sandbox(), ["mount-disk", ...numbers, "ext4"]);
    probes.assertReached([], ["open-device", "c", "1", "5"]);
  });

  for (const attempt of kernelFiles)
    test(`${attempt.join(" ")} is refused`, async () => {
      await probes.assertRefused(sandbox(), attempt);
    });

  test("the mode and the owner of the host's devices stay what they are", async () => {
    const paths = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/urandom", "/dev/random"];
    const seen = () => paths.map((path) => [path, statSync(path).mode, statSync(path).uid, statSync(path).gid]);
    const earlier = seen();
    await shell(sandbox(), `for d in ${paths.join(" ")}; do chown 1:1 $d; chmod 600 $d; done; chmod 600 /proc/1/fd/*`);
    assert.deepEqual(seen(), earlier);
    await using other = await newSandbox({ isolation });
    assert.equal((await shell(other, "echo x > /dev/null && echo written")).stdout, "written\n");
    assert.ok(paths.every((path) => statSync(path).uid === 0));
  });

  test("the program that every sandbox's init is stays as it is", async () => {
    const inits = () => {
      const engine = join(process.env.ATOLL_STATE_DIR ?? "", "engine");
      const holders = readdirSync(engine).filter((name) => name.startsWith("holder-"));
      const files = holders.map((name) => join(engine, name, "init"));
      return files.map((path) => [statSync(path).mode, createHash("sha256").update(readFileSync(path)).digest("hex")]);
    };
    const earlier = inits();
    assert.ok(earlier.length > 0);
    for (const attempt of ["open-for-writing", "truncate", "change-mode", "remove"])
      await probes.assertRefused(sandbox(), [attempt, "/proc/1/exe"]);
    assert.deepEqual(inits(), earlier);
  });

  test("the directory of the control socket takes no file, and opens to root only", async () => {
    for (const attempt of [
      ["create", "/.atoll/x"],
      ["remove", "/.atoll/control.sock"],
      ["change-mode", "/.atoll"],
    ])
      await probes.assertRefused(sandbox(), attempt);
    const other = await run(sandbox(), ["ls", "/.atoll"], { user: "1000" });
    assert.notEqual(other.returncode, 0);
    const refused = await run(
      sandbox(),
      ["python3", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/.atoll/control.sock')"],
      { user: "1000" },
    );
    assert.match(refused.stderr, /PermissionError/);
  });

  test("files of the image that a sandbox overwrites are unchanged where the image is kept", async () => {
    const layers = join(process.env.ATOLL_STATE_DIR ?? "", "store/layers");
    const file = layerFile(layers, "etc/debian_version");
    const earlier = readFileSync(file, "utf8");
    const { stdout } = await shell(
      sandbox(),
      "echo taken > /etc/debian_version; chmod 0 /etc/debian_version; cat /etc/debian_version",
    );
    assert.equal(stdout, "taken\n");
    assert.equal(readFileSync(file, "utf8"), earlier);
  });

  test("links in the place of what the host binds or reads lead nowhere", async () => {
    const hosts = readFileSync("/etc/hosts", "utf8");
    await shell(
      sandbox(),
      "ln -sf /proc/1/root/etc/hosts /etc/hosts; ln -sfn / /tmp/root; rm -f /etc/resolv.conf; ln -s /etc/shadow /etc/resolv.conf; mv /etc /etc2; ln -s /proc/self/root/etc2 /etc",
    );
    assert.equal((await shell(sandbox(), "echo alive")).stdout, "alive\n");
    assert.equal(readFileSync("/etc/hosts", "utf8"), hosts);
  });

  test("a set-user-id program and a file with capabilities give no power over the machine", async () => {
    await using fresh = await newSandbox({ isolation });
    await probes.install(fresh);
    await shell(
      fresh,
      "cp /tmp/escape /usr/local/bin/escape; chown root /usr/local/bin/escape; chmod 4755 /usr/local/bin/escape",
    );
    const asUser = await run(fresh, ["/usr/local/bin/escape", "is-root"], { user: "1000" });
    // gVisor has set-user-id programs, whose root is that of its own kernel; a container has no new privileges at all.
    if (isolation === "container") assert.match(asUser.stdout, /^refused/);
    await run(fresh, ["/usr/local/bin/escape", "file-capability", "/usr/local/bin/escape"]);
    const capable = await run(fresh, ["/usr/local/bin/escape", "has-capability"], { user: "1000" });
    assert.doesNotMatch(capable.stdout, /^reached/);
  });

  if (isolation === "container")
    test("user ids are those of no other sandbox, and of no user of the machine", async () => {
      await using other = await newSandbox({ isolation });
      const ranges = [sandbox(), other].map((each) => {
        const [first = 0] = hostPids(each);
        const [inside, outside, count] = readFileSync(`/proc/${first}/uid_map`, "utf8").trim().split(/\s+/).map(Number);
        assert.deepEqual([inside, count], [0, 65_536]);
        return outside ?? 0;
      });
      assert.ok(ranges.every((first) => first >= 65_536));
      assert.ok(Math.abs((ranges[0] ?? 0) - (ranges[1] ?? 0)) >= 65_536);
    });

  if (isolation === "gvisor")
    test("what answers the sandbox's calls is itself shut in: filtered, without a way to new privileges, in namespaces", () => {
      for (const pid of hostPids(sandbox())) {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        assert.match(status, /^Seccomp:\t2$/m);
        for (const namespace of ["user", "mnt", "net", "ipc", "uts"])
          assert.notEqual(readlinkSync(`/proc/${pid}/ns/${namespace}`), readlinkSync(`/proc/self/ns/${namespace}`));
        assert.notEqual(readlinkSync(`/proc/${pid}/root`), undefined);
      }
    });
});

function layerFile(layers: string, name: string): string {
  const [found] = readdirSync(layers, { recursive: true }).filter((path) => String(path).endsWith(`/${name}`));
  return join(layers, String(found));
}

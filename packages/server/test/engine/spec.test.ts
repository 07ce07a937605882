import assert from "node:assert/strict";
import { test } from "node:test";
import { bindsOf } from "../../src/engine/oci/binds.ts";
import { seccomp } from "../../src/engine/oci/seccomp.ts";
import { containerSpec, gvisorSpec } from "../../src/engine/oci/spec.ts";
import { UidRanges } from "../../src/engine/oci/uid-ranges.ts";

const holder = {
  hostname: "h",
  holderRoot: "/holder",
  controlDirectory: "/control",
  mountsDirectory: "/mounts",
  networkNamespace: "/run/netns/slot1",
};
const uids = { base: 0x7000_0000, size: 65_536 };

test("a container has a user namespace of its own, every other namespace, and no new privileges", () => {
  const { process, linux, root } = containerSpec(holder, uids, "x64");
  assert.deepEqual(linux.uidMappings, [{ containerID: 0, hostID: uids.base, size: uids.size }]);
  assert.deepEqual(linux.gidMappings, linux.uidMappings);
  assert.deepEqual(linux.namespaces.map(({ type }) => type).sort(), [
    "cgroup",
    "ipc",
    "mount",
    "network",
    "pid",
    "user",
    "uts",
  ]);
  assert.equal(process.noNewPrivileges, true);
  assert.equal(root.readonly, true);
});

test("no capability of either level reaches the machine, and only gVisor's init may mount", () => {
  const container = containerSpec(holder, uids, "x64").process.capabilities.bounding;
  const gvisor = gvisorSpec(holder).process.capabilities.bounding;
  const reaching = /SYS_(ADMIN|MODULE|PTRACE|RAWIO|TIME|BOOT)|NET_(ADMIN|RAW)|MKNOD|BPF|PERFMON|DAC_READ_SEARCH/;
  assert.deepEqual(
    container.filter((name) => reaching.test(name)),
    [],
  );
  assert.deepEqual(
    gvisor.filter((name) => reaching.test(name)),
    ["CAP_SYS_ADMIN"],
  );
});

test("the control directory is read-only inside", () => {
  for (const { mounts } of [containerSpec(holder, uids, "x64"), gvisorSpec(holder)]) {
    const control = mounts.find(({ destination }) => destination === "/.atoll");
    assert.ok(control?.options?.includes("ro"));
  }
});

test("the system call list refuses what it does not name, and a compiled filter replaces it", () => {
  const { defaultAction, syscalls } = seccomp("x64");
  const allowed = new Set(
    syscalls.filter(({ action, args }) => action === "SCMP_ACT_ALLOW" && !args).flatMap(({ names }) => names),
  );
  assert.equal(defaultAction, "SCMP_ACT_ERRNO");
  const dangerous = [
    "mount",
    "umount2",
    "pivot_root",
    "setns",
    "unshare",
    "clone",
    "clone3",
    "bpf",
    "keyctl",
    "add_key",
    "init_module",
  ];
  assert.deepEqual(
    [...dangerous, "kexec_load", "io_uring_setup", "open_by_handle_at", "perf_event_open", "socket"].filter((name) =>
      allowed.has(name),
    ),
    [],
  );
  assert.equal(containerSpec(holder, uids, "x64", "AAAA").linux.seccomp, undefined);
  assert.deepEqual(containerSpec(holder, uids, "x64", "AAAA").annotations, { "run.oci.seccomp_bpf_data": "AAAA" });
});

test("firmware tables are hidden where there is a sysfs of the machine's", () => {
  const claim = { layers: [], limits: { cpu: 1, memoryBytes: 1, pids: 1 }, devices: [], mounts: [] };
  const destinations = (hasSysfs: boolean) =>
    bindsOf(claim, { bundle: "/b", empty: "/e", hasSysfs, isDirectory: () => true }).map(
      ({ destination }) => destination,
    );
  assert.deepEqual(destinations(true), ["/etc/resolv.conf", "/etc/hosts", "/sys/firmware"]);
  assert.deepEqual(destinations(false), ["/etc/resolv.conf", "/etc/hosts"]);
});

test("what a specification mounts is attached as a file or as a directory, as it is on the host", () => {
  const mounts = ["/usr/lib/driver.so", "/usr/lib/driver"].map((hostPath) => ({
    hostPath,
    path: hostPath,
    readOnly: true,
  }));
  const claim = { layers: [], limits: { cpu: 1, memoryBytes: 1, pids: 1 }, devices: [], mounts };
  const isDirectory = (path: string) => path === "/usr/lib/driver";
  const binds = bindsOf(claim, { bundle: "/b", empty: "/e", hasSysfs: false, isDirectory }).slice(2);
  assert.deepEqual(
    binds.map(({ isFile }) => isFile),
    [true, false],
  );
});

test("ranges of user ids never overlap, and those of adopted sandboxes are not given out again", () => {
  const ranges = new UidRanges();
  ranges.adopt(uids.base);
  const taken = [ranges.take(), ranges.take(), ranges.take()].map(({ base }) => base);
  assert.equal(new Set([...taken, uids.base]).size, 4);
  for (const base of taken) assert.equal((base - uids.base) % uids.size, 0);
});

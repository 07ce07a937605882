import assert from "node:assert/strict";
import { test } from "node:test";
import { controllers, hierarchy, limitWrites } from "../../src/cgroups/hierarchy.ts";

const mount = (point: string, type: string, options: string) =>
  `31 23 0:27 / ${point} rw,nosuid - ${type} none ${options}`;
const legacy = controllers.map((name) => mount(`/sys/fs/cgroup/${name}`, "cgroup", `rw,${name}`)).join("\n");
const limits = { cpu: 0.5, memoryBytes: 2 ** 28, pids: 64 };

test("version 1 is used when all of its controllers are mounted, version 2 beside them or not", () => {
  const hybrid = `${legacy}\n${mount("/sys/fs/cgroup/unified", "cgroup2", "rw")}`;
  for (const text of [legacy, hybrid]) {
    const found = hierarchy(text);
    assert.equal(found.version, 1);
    assert.equal(found.version === 1 && found.roots.memory, "/sys/fs/cgroup/memory");
  }
});

test("controllers that are mounted together share a root", () => {
  const together = legacy.replaceAll(/\/sys\/fs\/cgroup\/(cpu|cpuacct) /g, "/sys/fs/cgroup/cpu,cpuacct ");
  const found = hierarchy(together);
  assert.deepEqual(
    found.version === 1 && [found.roots.cpu, found.roots.cpuacct],
    Array(2).fill("/sys/fs/cgroup/cpu,cpuacct"),
  );
});

test("version 2 is used where it is the only one", () => {
  assert.deepEqual(hierarchy(mount("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")), {
    version: 2,
    root: "/sys/fs/cgroup",
  });
});

test("a machine without usable controllers is told which are missing", () => {
  assert.throws(
    () => hierarchy(mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory")),
    /cpu, cpuacct, pids, devices, freezer/,
  );
});

test("the same limits are written in the terms of each version", () => {
  const written = (version: 1 | 2) => limitWrites(version, limits).map(({ file, value }) => [file, value]);
  assert.deepEqual(written(2), [
    ["cpu.max", "50000 100000"],
    ["memory.max", "268435456"],
    ["memory.swap.max", "0"],
    ["pids.max", "64"],
  ]);
  assert.deepEqual(written(1), [
    ["cpu.cfs_period_us", "100000"],
    ["cpu.cfs_quota_us", "50000"],
    ["memory.limit_in_bytes", "268435456"],
    ["memory.memsw.limit_in_bytes", "268435456"],
    ["pids.max", "64"],
  ]);
});

test("the smallest share of a processor is the kernel's smallest quota", () => {
  assert.equal(limitWrites(2, { ...limits, cpu: 0.0001 })[0]?.value, "1000 100000");
});

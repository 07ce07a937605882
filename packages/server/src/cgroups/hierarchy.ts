/** Where the machine keeps its cgroups, read from the mount table, for version 1 (a tree a controller) and version 2 (one tree). */
import type { Limits } from "../engine/engine.ts";

export type Hierarchy =
  | { readonly version: 1 /** Mount point of each controller. */; readonly roots: Readonly<Record<Controller, string>> }
  | { readonly version: 2; readonly root: string };

/** The version 1 controllers a sandbox is put under. */
export const controllers = ["memory", "cpu", "cpuacct", "pids", "devices", "freezer"] as const;
export type Controller = (typeof controllers)[number];

/**
 * @param mountinfo text of /proc/self/mountinfo, see proc_pid_mountinfo(5)
 * @throws Error naming the controllers that are missing
 */
export function hierarchy(mountinfo: string): Hierarchy {
  const mounts = mountinfo.split("\n").flatMap(cgroupMount);
  const found = new Map<string, string>();
  for (const { point, options } of mounts.filter(({ type }) => type === "cgroup"))
    for (const option of options) found.set(option, point);
  const missing = controllers.filter((controller) => !found.has(controller));
  if (missing.length === 0) return { version: 1, roots: Object.fromEntries(found) as Record<Controller, string> };
  const unified = mounts.find(({ type, point }) => type === "cgroup2" && !point.endsWith("/unified"));
  if (unified) return { version: 2, root: unified.point };
  throw new Error(`cannot limit sandboxes: the cgroup controllers ${missing.join(", ")} are not mounted`);
}

function cgroupMount(line: string): { type: string; point: string; options: string[] }[] {
  const [head, tail] = line.split(" - ");
  const point = head?.split(" ")[4];
  const [type, , options] = tail?.split(" ") ?? [];
  return point && type?.startsWith("cgroup") ? [{ type, point, options: options?.split(",") ?? [] }] : [];
}

/** Length of a scheduling period; the kernel's own default, see sched-bwc. */
const periodUs = 100_000;

/** What to write where to hold a group to its limits: pairs of controller-relative file and value, in order. */
export function limitWrites(version: 1 | 2, limits: Limits): readonly LimitWrite[] {
  const quotaUs = Math.max(1000, Math.round(limits.cpu * periodUs));
  const memory = String(limits.memoryBytes);
  if (version === 2)
    return [
      { file: "cpu.max", value: `${quotaUs} ${periodUs}` },
      { file: "memory.max", value: memory },
      { file: "memory.swap.max", value: "0", isOptional: true },
      { file: "pids.max", value: String(limits.pids) },
    ];
  return [
    { controller: "cpu", file: "cpu.cfs_period_us", value: String(periodUs) },
    { controller: "cpu", file: "cpu.cfs_quota_us", value: String(quotaUs) },
    { controller: "memory", file: "memory.limit_in_bytes", value: memory },
    // Memory and swap together; the file exists only where the kernel accounts swap.
    { controller: "memory", file: "memory.memsw.limit_in_bytes", value: memory, isOptional: true },
    { controller: "pids", file: "pids.max", value: String(limits.pids) },
  ];
}

export interface LimitWrite {
  readonly controller?: Controller;
  readonly file: string;
  readonly value: string;
  /** The file may be missing on this machine. */
  readonly isOptional?: true;
}

/** null, zero, full, random, urandom, tty, ptmx and the pseudo-terminals: all a sandbox may open (version 1 only). */
export const allowedDevices = ["c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:2", "c 136:*"];

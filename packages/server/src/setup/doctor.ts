/** Looks at the machine and says what is there, and what to do about what is not. Changes nothing. */
import { access, readdir, readFile } from "node:fs/promises";
import type { Context, Requirement } from "./requirement.ts";
import { runProgram } from "./run-program.ts";

export interface DoctorReport {
  readonly requirements: readonly RequirementReport[];
  readonly machine: readonly Fact[];
}

export interface RequirementReport {
  readonly name: string;
  readonly why: string;
  readonly isOptional: boolean;
  readonly isFound: boolean;
  readonly version?: string | undefined;
  readonly path?: string | undefined;
  /** Why it is not usable. */
  readonly detail?: string | undefined;
  /** What to do when it is missing. */
  readonly todo?: string | undefined;
}

export interface Fact {
  readonly name: string;
  readonly value: string;
}

export async function examine(requirements: readonly Requirement[], context: Context): Promise<DoctorReport> {
  return {
    requirements: await Promise.all(requirements.map((requirement) => report(requirement, context))),
    machine: await Promise.all(facts.map(async ({ name, read }) => ({ name, value: await read(context) }))),
  };
}

async function report(requirement: Requirement, context: Context): Promise<RequirementReport> {
  const { name, why, fix, isOptional = false } = requirement;
  try {
    const finding = await requirement.check(context);
    if (finding.isFound) return { name, why, isOptional, ...finding };
    return { name, why, isOptional, isFound: false, detail: finding.detail, todo: todo(fix) };
  } catch (error) {
    context.signal.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    return { name, why, isOptional, isFound: false, detail, todo: todo(fix) };
  }
}

function todo(fix: Requirement["fix"]): string {
  const byHand = fix.kind === "packages" ? `Run apt-get install ${fix.packages.join(" ")}.` : fix.byHand;
  return `Run atoll setup as root. By hand: ${byHand}`;
}

const facts: readonly { name: string; read(context: Context): Promise<string> }[] = [
  { name: "kernel", read: async () => (await text("/proc/sys/kernel/osrelease")) ?? "unknown" },
  { name: "root", read: async ({ machine }) => (machine.isRoot ? "yes" : "no: only clients work") },
  { name: "cgroups", read: cgroups },
  { name: "user namespaces", read: userNamespaces },
  { name: "overlayfs", read: () => fileSystem("overlay") },
  { name: "ext4", read: () => fileSystem("ext4") },
  { name: "/dev/kvm", read: async () => ((await exists("/dev/kvm")) ? "present (not needed)" : "absent (not needed)") },
  { name: "CDI specifications", read: cdiSpecifications },
];

async function cgroups(): Promise<string> {
  if (await exists("/sys/fs/cgroup/cgroup.controllers")) return "v2";
  if (await exists("/sys/fs/cgroup/unified/cgroup.controllers")) return "v1, with v2 beside it";
  return (await exists("/sys/fs/cgroup")) ? "v1" : "not mounted";
}

async function userNamespaces(): Promise<string> {
  const most = Number((await text("/proc/sys/user/max_user_namespaces")) ?? "0");
  return most > 0 ? `yes, at most ${most}` : "no: set sysctl user.max_user_namespaces above 0";
}

async function fileSystem(type: string): Promise<string> {
  const known = (await text("/proc/filesystems")) ?? "";
  if (new RegExp(`\\b${type}$`, "m").test(known)) return "yes";
  const { exitCode } = await runProgram(["modprobe", "--dry-run", "--quiet", type], {
    signal: AbortSignal.timeout(5000),
  });
  return exitCode === 0 ? "yes, as a module" : `no: the kernel has no ${type}`;
}

async function cdiSpecifications(): Promise<string> {
  const directories = (process.env.ATOLL_CDI_DIRS ?? "/etc/cdi:/var/run/cdi").split(":");
  const lists = await Promise.all(directories.map((directory) => readdir(directory).catch((): string[] => [])));
  const files = lists.flat().filter((name) => /\.(json|ya?ml)$/.test(name));
  return files.length > 0 ? files.join(", ") : "none";
}

async function text(path: string): Promise<string | undefined> {
  return (await readFile(path, "utf8").catch(() => undefined))?.trim();
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

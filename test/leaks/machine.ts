/** A snapshot of everything on the machine that a server makes for sandboxes, to be compared with a later one. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const cgroupRoot = "/sys/fs/cgroup";

export interface Watched {
  /** Everything that the server keeps. */
  readonly directory: string;
  readonly launcherPid: number;
  /** Undefined where no daemon runs. */
  readonly daemonPid?: number | undefined;
  /** Eight characters that the server's cgroups, links and tables are named with. */
  readonly instance: string;
}

/** What there is of each kind, sorted. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

export async function snapshot(watched: Watched): Promise<Snapshot> {
  const found = Object.entries(await look(watched));
  return Object.fromEntries(found.map(([kind, lines]) => [kind, lines.map(withoutKey).sort()]));
}

/** Prepared sandboxes come and go too: which they are differs, how many there are does not. */
function withoutKey(line: string): string {
  return line.replaceAll(/(?<![0-9A-Za-z])[0-9A-Za-z]{22}(?![0-9A-Za-z])/g, "KEY");
}

async function look(watched: Watched): Promise<Snapshot> {
  const { directory, launcherPid, daemonPid, instance } = watched;
  const gateway = (...argv: string[]) => output("nsenter", "-t", String(launcherPid), "-m", "-n", "--", ...argv);
  return {
    processes: descendants(launcherPid),
    launcherMounts: ownMounts(launcherPid),
    daemonMounts: daemonPid === undefined ? [] : ownMounts(daemonPid),
    hostMounts: mounts(process.pid).filter((line) => line.includes(directory)),
    namespaces: without(await gateway("ip", "netns", "list"), /^(slot\d+)/),
    gatewayLinks: without(await gateway("ip", "-o", "link"), /^\d+: ([^:@]+)/),
    gatewayRoutes: without(await gateway("ip", "route"), /dev (\S+)/),
    gatewayRules: withoutAhead(await gateway("nft", "--json", "list", "ruleset"), await gateway("ip", "-o", "link")),
    hostLinks: (await output("ip", "-o", "link")).filter((line) => line.includes(instance)).map(nameOfLink),
    hostRules: await output("nft", "-s", "list", "table", "inet", `atoll_${instance}`),
    cgroups: cgroups(instance),
    // As the launcher sees it: the disks may be on a file system of their own.
    files: files(`/proc/${launcherPid}/root${directory}`),
    loopDevices: (await output("losetup", "-l", "-n", "-O", "BACK-FILE")).filter((line) => line.includes(directory)),
    launcherDescriptors: descriptors(launcherPid),
    daemonDescriptors: daemonPid === undefined ? [] : descriptors(daemonPid),
  };
}

interface Change {
  readonly more: readonly string[];
  readonly less: readonly string[];
}

/** Everything of `now` that was not there, and everything that went; empty when the machine is as it was. */
export function difference(before: Snapshot, now: Snapshot): Record<string, Change> {
  const found = Object.entries(now).map(([kind, lines]) => {
    const change = { more: missingFrom(before[kind] ?? [], lines), less: missingFrom(lines, before[kind] ?? []) };
    return [kind, kind === "daemonDescriptors" ? withoutConnections(change) : change] as const;
  });
  return Object.fromEntries(found.filter(([, { more, less }]) => more.length + less.length > 0));
}

/** Clients keep some connections open, and close them when they like; a leak is one for each sandbox. */
const connections = 16;

function withoutConnections(change: Change): Change {
  const isSocket = (name: string) => name === "socket:[]";
  const sockets = change.more.filter(isSocket).length;
  if (sockets > connections) return change;
  const others = (names: readonly string[]) => names.filter((name) => !isSocket(name));
  return { more: others(change.more), less: others(change.less) };
}

/** A snapshot of a machine on which nothing is being made or removed in the background any more. */
export async function quietSnapshot(watched: Watched, limitMs = 30_000): Promise<Snapshot> {
  let last = await snapshot(watched);
  for (const deadline = Date.now() + limitMs; ; ) {
    await sleep(1000);
    const now = await snapshot(watched);
    if (Object.keys(difference(last, now)).length === 0) return now;
    if (Date.now() > deadline) throw new Error("the server does not come to rest");
    last = now;
  }
}

/** Looks again until there is no difference, for what the kernel and the pools do in the background; then what is left. */
export async function settledDifference(before: Snapshot, watched: Watched, limitMs = 15_000) {
  for (const deadline = Date.now() + limitMs; ; await sleep(200)) {
    const left = difference(before, await snapshot(watched));
    if (Object.keys(left).length === 0 || Date.now() > deadline) return left;
  }
}

/** Counted, since lines may repeat. */
function missingFrom(known: readonly string[], lines: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of known) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

async function output(program: string, ...argv: string[]): Promise<string[]> {
  const { stdout } = await run(program, argv, { maxBuffer: 16 * 1024 ** 2 });
  return stdout.split("\n").filter(Boolean).sort();
}

/** Slots come and go with numbers of their own; how many there are is what has to stay the same. */
function without(lines: readonly string[], name: RegExp): string[] {
  return lines
    .map((line) => name.exec(line)?.[1] ?? line)
    .map((line) => line.replace(/\d+$/, "N"))
    .sort();
}

/** A batch of slots is named ahead, see network/slots.ts, and a daemon that was killed leaves what it had named. */
const mostAhead = 128;

/**
 * The rules with each slot's elements of sets counted. Slots that are likely to be made next are in the sets `joined` and `open` already;
 * that there are such ones is no leak, unless they become many.
 */
function withoutAhead(ruleset: readonly string[], links: readonly string[]): string[] {
  interface Rule {
    readonly set?: { readonly name: string; readonly elem?: readonly unknown[] };
  }
  const present = new Set(links.map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1]));
  const { nftables }: { nftables: readonly Rule[] } = JSON.parse(ruleset.join(""));
  return nftables.map((rule) => {
    const elements = rule.set?.elem ?? [];
    const ahead = elements.filter((element) => typeof element === "string" && !present.has(element)).length;
    const count = `${elements.length - ahead} elements${ahead > mostAhead ? `, ${ahead} ahead` : ""}`;
    return JSON.stringify(rule.set ? { ...rule.set, elem: count } : rule);
  });
}

function nameOfLink(line: string): string {
  return /^\d+: ([^:@]+)/.exec(line)?.[1] ?? line;
}

/** Those that the host does not have; other tests, and whoever uses the machine, mount and unmount meanwhile. */
function ownMounts(pid: number): string[] {
  const host = new Set(mounts(process.pid));
  return mounts(pid).filter((path) => !host.has(path));
}

function mounts(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => (line.split(" ")[4] ?? line).replace(/(slot|lone)\d+$/, "$1N")).sort();
}

/** Names of all processes below one. Zombies count. */
function descendants(root: number): string[] {
  const children = new Map<number, { pid: number; name: string }[]>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? textOf(`/proc/${name}/stat`) : "";
    const match = /^(\d+) \((.*)\) \S (\d+)/s.exec(stat);
    if (!match) continue;
    const list = children.get(Number(match[3])) ?? [];
    list.push({ pid: Number(match[1]), name: match[2] ?? "" });
    children.set(Number(match[3]), list);
  }
  const below = (pid: number): string[] =>
    (children.get(pid) ?? []).flatMap((child) => [child.name, ...below(child.pid)]);
  return below(root).sort();
}

function cgroups(instance: string): string[] {
  const found: string[] = [];
  const walk = (directory: string, depth: number) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const path = join(directory, entry.name);
      if (path.includes(`atoll/${instance}`)) found.push(path);
      if (depth < 6) walk(path, depth + 1);
    }
  };
  const roots = readdirSync(cgroupRoot).map((name) => join(cgroupRoot, name, "atoll", instance));
  for (const root of [...roots, join(cgroupRoot, "atoll", instance)]) if (existsSync(root)) walk(root, 0);
  return found.sort();
}

/** Without what is kept on purpose: the database, logs, and the output of finished sandboxes. */
const kept = /^(atoll\.db.*|log\/.*|output\/.*|test\.log|lock.*|server\.json)$/;

function files(directory: string): string[] {
  return namesBelow(directory)
    .filter((name) => !kept.test(name) && !name.startsWith("store/layers/"))
    .sort();
}

/** Read again when a directory went while it was read. */
function namesBelow(directory: string): string[] {
  for (;;)
    try {
      return readdirSync(directory, { recursive: true, encoding: "utf8" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || !existsSync(directory)) throw error;
    }
}

/** Kinds of the descriptors, without the numbers that differ each time. */
function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .flatMap((fd) => target(`/proc/${pid}/fd/${fd}`) ?? [])
    .map((name) => name.replace(/\[\d+\]$/, "[]").replace(/^\/proc\/\d+/, "/proc/N"))
    .sort();
}

function target(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed in the meantime
  }
}

function textOf(path: string): string {
  try {
    return statSync(path) && readFileSync(path, "latin1");
  } catch {
    return ""; // ended in the meantime
  }
}

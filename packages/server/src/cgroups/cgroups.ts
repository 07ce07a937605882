import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../engine/engine.ts";
import { allowedDevices, type Controller, controllers, type Hierarchy, hierarchy, limitWrites } from "./hierarchy.ts";

export interface CgroupUsage {
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly pids: number;
  readonly oomKills: number;
}

/** The groups of one server's sandboxes: `atoll/<instance>/<key>` in every hierarchy. */
export class Cgroups {
  readonly #hierarchy: Hierarchy;
  readonly #parent: string;

  private constructor(found: Hierarchy, instance: string) {
    this.#hierarchy = found;
    this.#parent = `atoll/${instance}`;
  }

  /** @throws Error when the machine offers no usable cgroups */
  static open(instance: string): Cgroups {
    const groups = new Cgroups(hierarchy(readFileSync("/proc/self/mountinfo", "utf8")), instance);
    for (const root of groups.#roots()) mkdirSync(join(root, groups.#parent), { recursive: true });
    groups.#delegate();
    return groups;
  }

  get version(): 1 | 2 {
    return this.#hierarchy.version;
  }

  /** Makes the group of one sandbox and answers the files a process writes itself into to enter it. */
  create(key: string): readonly string[] {
    const directories = this.#directories(key);
    for (const directory of directories) mkdirSync(directory);
    if (this.#hierarchy.version === 1) this.#restrictDevices(key);
    return directories.map((directory) => join(directory, "cgroup.procs"));
  }

  /** Lets the sandbox open a device, "c 195:0 rw" as in the kernel's device whitelist. Version 2 has no such list here. */
  allowDevice(key: string, rule: string): void {
    if (this.#hierarchy.version === 1) writeFileSync(join(this.#directory(key, "devices"), "devices.allow"), rule);
  }

  limit(key: string, limits: Limits): void {
    for (const { controller, file, value, isOptional } of limitWrites(this.version, limits)) {
      try {
        writeFileSync(join(this.#directory(key, controller ?? "memory"), file), value);
      } catch (error) {
        if (!(isOptional && isMissing(error))) throw error;
      }
    }
  }

  async usage(key: string): Promise<CgroupUsage> {
    const read = (controller: Controller, file: string) => readText(join(this.#directory(key, controller), file));
    if (this.#hierarchy.version === 2)
      return {
        memoryBytes: Number(await read("memory", "memory.current")),
        cpuMs: field(await read("cpu", "cpu.stat"), "usage_usec") / 1000,
        pids: Number(await read("pids", "pids.current")),
        oomKills: field(await read("memory", "memory.events"), "oom_kill"),
      };
    return {
      memoryBytes: Number(await read("memory", "memory.usage_in_bytes")),
      cpuMs: Number(await read("cpuacct", "cpuacct.usage")) / 1e6,
      pids: Number(await read("pids", "pids.current")),
      oomKills: field(await read("memory", "memory.oom_control"), "oom_kill"),
    };
  }

  /** Directory of the group whose freezer stops the sandbox. */
  freezerDirectory(key: string): string {
    return this.#directory(key, "freezer");
  }

  /** Stops everything in the group, and settles once nothing of it runs. */
  async freeze(key: string, signal: AbortSignal): Promise<void> {
    const file = this.#freezer(key);
    await writeFile(file.path, file.frozen);
    for (let pauseMs = 1; !(await this.#isFrozen(key)); pauseMs = Math.min(2 * pauseMs, 20)) {
      await sleep(pauseMs, undefined, { signal });
    }
  }

  /** Lets it go on. Does nothing when the group has gone. */
  async thaw(key: string): Promise<void> {
    const file = this.#freezer(key);
    await tryWrite(file.path, file.thawed);
  }

  async #isFrozen(key: string): Promise<boolean> {
    const directory = this.#directory(key, "freezer");
    if (this.version === 2) return field(await readText(join(directory, "cgroup.events")), "frozen") === 1;
    return (await readText(join(directory, "freezer.state"))).trim() === "FROZEN";
  }

  #freezer(key: string) {
    const directory = this.#directory(key, "freezer");
    return this.version === 2
      ? { path: join(directory, "cgroup.freeze"), frozen: "1", thawed: "0" }
      : { path: join(directory, "freezer.state"), frozen: "FROZEN", thawed: "THAWED" };
  }

  /** Keys of all groups that exist. */
  async list(): Promise<string[]> {
    const names = await Promise.all(
      this.#roots().map(async (root) => {
        const entries = await readdir(join(root, this.#parent), { withFileTypes: true });
        return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
      }),
    );
    return [...new Set(names.flat())];
  }

  /** Kills whatever is left in the group and removes it. Does nothing when there is none. */
  async destroy(key: string, signal: AbortSignal): Promise<void> {
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, 50)) {
      await this.#killAll(key);
      if (await this.#remove(key)) return;
      await sleep(pauseMs, undefined, { signal });
    }
  }

  /** Removes the parent group when no sandbox is left. */
  close(): void {
    for (const root of this.#roots()) {
      try {
        rmdirSync(join(root, this.#parent));
        rmdirSync(join(root, dirname(this.#parent)));
      } catch (error) {
        if (!isBusy(error) && !isMissing(error)) throw error;
      }
    }
  }

  /** Frozen first, so that a fork bomb cannot outrun the killing and no pid is used again in between. */
  async #killAll(key: string): Promise<void> {
    if (this.#hierarchy.version === 2) return tryWrite(join(this.#directory(key, "pids"), "cgroup.kill"), "1");
    const freezer = this.#directory(key, "freezer");
    await tryWrite(join(freezer, "freezer.state"), "FROZEN");
    for (const directory of this.#directories(key))
      for (const pid of (await readText(join(directory, "cgroup.procs"))).split("\n").filter(Boolean))
        killPid(Number(pid));
    await tryWrite(join(freezer, "freezer.state"), "THAWED");
  }

  async #remove(key: string): Promise<boolean> {
    let isGone = true;
    for (const directory of this.#directories(key))
      await rmdir(directory).catch((error: unknown) => {
        if (isBusy(error)) isGone = false;
        else if (!isMissing(error)) throw error;
      });
    return isGone;
  }

  #roots(): string[] {
    const found = this.#hierarchy;
    // Controllers mounted together, such as cpu and cpuacct on most machines, share one tree.
    return found.version === 2 ? [found.root] : [...new Set(controllers.map((name) => found.roots[name]))];
  }

  #directories(key: string): string[] {
    return this.#roots().map((root) => join(root, this.#parent, key));
  }

  #directory(key: string, controller: Controller): string {
    const found = this.#hierarchy;
    return join(found.version === 2 ? found.root : found.roots[controller], this.#parent, key);
  }

  /** Version 2 gives a child only the controllers that its parents hand down. */
  #delegate(): void {
    if (this.#hierarchy.version !== 2) return;
    for (const group of ["", "atoll", this.#parent])
      writeFileSync(join(this.#hierarchy.root, group, "cgroup.subtree_control"), "+cpu +memory +pids");
  }

  #restrictDevices(key: string): void {
    writeFileSync(join(this.#directory(key, "devices"), "devices.deny"), "a");
    for (const device of allowedDevices) this.allowDevice(key, `${device} rwm`);
  }
}

function field(text: string, name: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** Empty when the group has gone in the meantime. */
async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "";
    throw error;
  });
}

async function tryWrite(path: string, value: string): Promise<void> {
  await writeFile(path, value).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

function killPid(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** ENODEV is what reading a file of a removed group answers. */
function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENODEV"].includes(codeOf(error) ?? "");
}

function isBusy(error: unknown): boolean {
  return ["EBUSY", "ENOTEMPTY"].includes(codeOf(error) ?? "");
}

/** The disks of sandboxes, and what is done with them from outside. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import { abortable } from "../launcher/abortable.ts";
import type { Launcher } from "../launcher/client.ts";
import { Turns } from "../turns.ts";
import type { DiskStore } from "./disk-store.ts";
import { loopDevice } from "./loop-devices.ts";
import { makeWritable, removeWritable, requireSpace } from "./writable.ts";

const stepLimitMs = 600_000;

export interface DisksParts {
  readonly launcher: Launcher;
  /** Its `clone` and `within` are run. */
  readonly launcherBinary: string;
  readonly store: DiskStore;
}

/** Stops all that writes to a disk. */
export interface Freezer {
  /** Of the cgroup. */
  readonly directory: string;
  freeze(signal: AbortSignal): Promise<void>;
  thaw(): Promise<void>;
}

export class Disks {
  readonly #parts: DisksParts;
  /** Two that freeze a sandbox would thaw it for each other. */
  readonly #turns = new Turns();

  constructor(parts: DisksParts) {
    this.#parts = parts;
  }

  path(key: string): string {
    return join(this.#parts.store.directory, `${key}.ext4`);
  }

  /** @throws AtollError capacity when the machine's own disk is nearly full */
  make(key: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    return makeWritable(this.#parts.launcher, this.path(key), sizeBytes, signal);
  }

  async remove(key: string): Promise<void> {
    await removeWritable(this.path(key));
    await this.removeClones(key);
  }

  /** Those that an earlier daemon made and did not come to remove. */
  async removeClones(key: string): Promise<void> {
    const { directory } = this.#parts.store;
    const names = (await readdir(directory)).filter((name) => name.startsWith(`${key}.`) && name.endsWith(".clone"));
    await Promise.all(names.map((name) => rm(join(directory, name), { force: true })));
  }

  /** Paths of all that belongs to no key that is known. */
  async strays(isStray: (key: string) => boolean): Promise<string[]> {
    const { directory } = this.#parts.store;
    return (await readdir(directory)).filter((name) => isStray(keyOf(name))).map((name) => join(directory, name));
  }

  /**
   * Copies a directory of a disk that is in use, as it is at one instant.
   * @param target an empty directory
   * @returns for how long what is in the freezer stood still, in milliseconds
   * @throws AtollError capacity
   */
  async copy(
    key: string,
    place: string,
    target: string,
    freezer: Freezer,
    signal: AbortSignal,
  ): Promise<{ readonly pausedMs: number }> {
    const argv = ["cp", "--archive", "--no-target-directory", place, target];
    if (this.#parts.store.kind === "plain") return this.#frozen(key, argv, freezer, signal);
    const clone = join(this.#parts.store.directory, `${key}.${randomText(6)}.clone`);
    const { pausedMs } = await this.#clone(key, clone, freezer, signal);
    try {
      await this.#within(clone, argv, signal);
      return { pausedMs };
    } finally {
      await rm(clone, { force: true });
    }
  }

  /** Removes a directory that the sandbox does not see. */
  async removeDirectory(key: string, place: string, signal: AbortSignal): Promise<void> {
    await this.#within(await loopDevice(this.path(key)), ["rm", "-rf", "--one-file-system", "--", place], signal);
  }

  /** Goes on when nobody waits any more: killed at the wrong moment, it would leave the sandbox frozen. */
  #clone(key: string, clone: string, freezer: Freezer, signal: AbortSignal): Promise<{ readonly pausedMs: number }> {
    const cloned = async () => {
      await requireSpace(this.#parts.store.directory);
      const device = await loopDevice(this.path(key));
      const argv = ["clone", freezer.directory, device, this.path(key), clone];
      try {
        const printed = await this.#run([this.#parts.launcherBinary, ...argv], AbortSignal.timeout(stepLimitMs));
        return { pausedMs: Number(printed) / 1000 };
      } catch (error) {
        await rm(clone, { force: true });
        throw error;
      } finally {
        await freezer.thaw();
      }
    };
    const turn = () => this.#turns.alone(key, cloned);
    return abortable(turn, signal, () => void rm(clone, { force: true }));
  }

  /** Without reflinks everything stands still for as long as the copy takes. */
  #frozen(
    key: string,
    argv: readonly string[],
    freezer: Freezer,
    signal: AbortSignal,
  ): Promise<{ readonly pausedMs: number }> {
    return this.#turns.alone(key, async () => {
      const device = await loopDevice(this.path(key));
      const began = performance.now();
      try {
        await freezer.freeze(signal);
        await this.#within(device, argv, signal);
      } finally {
        await freezer.thaw();
      }
      return { pausedMs: performance.now() - began };
    });
  }

  /** Runs a program in the root of a disk: what is seen is what the sandbox sees, written back or not. */
  async #within(disk: string, argv: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#run([this.#parts.launcherBinary, "within", disk, ...argv], signal);
  }

  async #run(argv: readonly string[], signal: AbortSignal): Promise<string> {
    const ended = await this.#parts.launcher.run(argv, { signal, timeoutMs: stepLimitMs });
    if (ended.exitCode === 0) return ended.stdout;
    if (/No space left/.test(ended.stderr))
      throw new AtollError("capacity", "cannot copy what the sandbox wrote: the machine's disk is full");
    const reason = ended.stderr.trim().split("\n").at(-1) ?? "";
    throw new AtollError("internal", `cannot copy what the sandbox wrote: ${reason}`);
  }
}

/** Names in the directory begin with the key of their sandbox. */
function keyOf(name: string): string {
  return name.split(".")[0] ?? "";
}

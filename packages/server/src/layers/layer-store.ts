/**
 * Immutable directory trees, one a layer, as overlayfs stacks them: a removed name is a character device 0:0, a replaced
 * directory carries `trusted.overlay.opaque`. A layer is made under another name and renamed when it is whole.
 */
import { mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { Launcher } from "../launcher/client.ts";

/** Runs programs of the machine as the launcher does. */
export type RunHost = Launcher["run"];

const emptyName = "empty";
const partialSuffix = ".partial";
/** Also the archive that is unpacked into it. */
const partialNames = /\.partial(\.tar)?$/;
const removedSuffix = ".removed";
const workSuffix = ".work";
const programLimitMs = 600_000;
/** One page of mount options holds about so many names. Stacks of images are merged long before (images/merges.ts). */
export const mostLayers = 120;

export class LayerStore {
  readonly #directory: string;
  readonly #mounts: string;
  /** Runs a program, however it ends. */
  readonly tryRun: RunHost;
  readonly #launcherBinary: string;
  /** Made, or being made, and not yet named by a row. */
  readonly #held = new Set<string>();
  readonly #points = new Set<string>();

  /**
   * @param store the directory that holds `layers` and `mounts`
   * @param launcherBinary its `uncover` is run
   */
  constructor(store: string, run: RunHost, launcherBinary: string) {
    this.#launcherBinary = launcherBinary;
    this.#directory = join(store, "layers");
    this.#mounts = join(store, "mounts");
    this.tryRun = run;
  }

  path(id: string): string {
    return join(this.#directory, id);
  }

  /**
   * Makes a layer, or leaves nothing.
   * @param fill fills the directory; it is empty and belongs to root
   * @returns its size in bytes. It is safe from `strays` until `release`.
   */
  async make(id: string, fill: (directory: string) => Promise<void>, signal: AbortSignal): Promise<number> {
    this.#held.add(id);
    const partial = `${this.path(id)}${partialSuffix}`;
    try {
      await mkdir(this.#directory, { recursive: true });
      await mkdir(partial, { mode: 0o755 });
      await fill(partial);
      const sizeBytes = await this.size(partial, signal);
      // What a row names must be there after a loss of power too.
      await this.run(["sync", "--file-system", partial], "store a layer", signal);
      await rename(partial, this.path(id));
      return sizeBytes;
    } catch (error) {
      this.#held.delete(id);
      await this.removeTree(partial);
      throw error;
    }
  }

  /** Its row was stored, or it is not wanted. */
  release(id: string): void {
    this.#held.delete(id);
  }

  /** Whether it was made and nobody has said yet what for. */
  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  async remove(id: string): Promise<void> {
    const removed = `${this.path(id)}.${randomText(6)}${removedSuffix}`;
    try {
      await rename(this.path(id), removed);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    await this.removeTree(removed);
  }

  /** `--one-file-system`: should a mount be left inside, nothing of the machine is deleted through it. */
  async removeTree(path: string): Promise<void> {
    const signal = AbortSignal.timeout(programLimitMs);
    await this.run(["rm", "-rf", "--one-file-system", "--", path], `remove ${path}`, signal);
  }

  /** Names in the directory that neither `known` nor anything under way accounts for; base images are not ours. */
  async strays(known: ReadonlySet<string>): Promise<string[]> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    return names.filter((name) => {
      const id = name.endsWith(removedSuffix) ? "" : name.replace(partialNames, "");
      if (id.startsWith("base-") || this.#held.has(id)) return false;
      return partialNames.test(name) || !known.has(id);
    });
  }

  /** Shows a stack as sandboxes see it, read-only and for as long as `use` runs. */
  async withMounted<T>(layers: readonly string[], use: (root: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    await using view = await this.view(layers, signal);
    return await use(view.root);
  }

  /** Shows a stack as sandboxes see it, read-only and until it is disposed of. */
  async view(layers: readonly string[], signal: AbortSignal): Promise<AsyncDisposable & { readonly root: string }> {
    const point = await this.#newPoint();
    try {
      if (layers.length > 0) await this.#mount(layers, point, signal);
    } catch (error) {
      await this.#removePoint(point);
      throw error;
    }
    return { root: point, [Symbol.asyncDispose]: () => this.#removePoint(point) };
  }

  /** Lets `use` change a stack: what it changes becomes the content of `upper`, an empty directory of a layer that is being made. */
  async withWritable(
    layers: readonly string[],
    upper: string,
    use: (root: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const point = await this.#newPoint();
    const work = `${point}${workSuffix}`;
    this.#points.add(work);
    try {
      await mkdir(work, { mode: 0o700 });
      await this.#mount(layers, point, signal, { upper, work });
      await use(point);
    } finally {
      await this.#removePoint(point);
      await this.removeTree(work);
      this.#points.delete(work);
    }
  }

  /**
   * Fills a layer with what consecutive layers of a stack are together, on whatever is below them.
   * @param ids the lowest first
   */
  async merge(ids: readonly string[], directory: string, signal: AbortSignal): Promise<void> {
    for (const id of ids) {
      const upper = this.path(id);
      const copy = [
        "cp",
        "--archive",
        "--reflink=auto",
        "--remove-destination",
        "--no-target-directory",
        upper,
        directory,
      ];
      for (const argv of [[this.#launcherBinary, "uncover", directory, upper], copy])
        await this.run(argv, "merge layers", signal);
    }
  }

  async #newPoint(): Promise<string> {
    const point = join(this.#mounts, randomText(12));
    this.#points.add(point);
    await mkdir(point, { recursive: true, mode: 0o700 });
    await mkdir(join(this.#mounts, emptyName), { recursive: true });
    return point;
  }

  async #removePoint(point: string): Promise<void> {
    await this.#unmount(point);
    this.#points.delete(point);
  }

  /** Relative names keep the options below one page; the empty layer is there because overlayfs wants two. */
  async #mount(
    layers: readonly string[],
    point: string,
    signal: AbortSignal,
    writable?: { readonly upper: string; readonly work: string },
  ): Promise<void> {
    const lower = [...[...layers].reverse(), `../mounts/${emptyName}`].join(":");
    const access = writable ? `upperdir=${writable.upper},workdir=${writable.work},` : "ro,";
    const options = `${access}nodev,nosuid,redirect_dir=nofollow,metacopy=off,index=off,lowerdir=${lower}`;
    const argv = ["mount", "-t", "overlay", "overlay", "-o", options, point];
    await this.run(argv, "look into an image", signal, { cwd: this.#directory });
  }

  /** Fails for one that was not mounted. Lazily, because runtimes that start at this moment hold a copy of all mounts. */
  async #unmount(point: string): Promise<void> {
    await this.tryRun(["umount", "--lazy", point], { timeoutMs: programLimitMs });
    await rmdir(point);
  }

  /** Mounts that an earlier daemon left. */
  async strayMounts(): Promise<{ readonly what: string; remove(): Promise<void> }[]> {
    const names = await readdir(this.#mounts).catch((): string[] => []);
    const points = names.filter((name) => name !== emptyName).map((name) => join(this.#mounts, name));
    return points
      .filter((point) => !this.#points.has(point))
      .map((what) => ({
        what,
        remove: () => (what.endsWith(workSuffix) ? this.removeTree(what) : this.#unmount(what)),
      }));
  }

  /** Runs a program that must succeed; `purpose` completes "cannot ...". */
  async run(
    argv: readonly string[],
    purpose: string,
    signal: AbortSignal,
    { cwd, limitMs = programLimitMs }: { readonly cwd?: string; readonly limitMs?: number } = {},
  ): Promise<string> {
    const ended = await this.tryRun(argv, { signal, timeoutMs: limitMs, cwd });
    if (ended.exitCode === 0) return ended.stdout;
    const reason = ended.stderr.trim().split("\n").at(-1) ?? "";
    if (/No space left/.test(ended.stderr)) {
      throw new AtollError("capacity", `cannot ${purpose}: the disk is full`, "Free space below the state directory.");
    }
    throw new AtollError("internal", `cannot ${purpose}: ${argv[0]} failed: ${reason}`);
  }

  /** Bytes on the disk of all that is in a directory. */
  async size(directory: string, signal: AbortSignal): Promise<number> {
    const printed = await this.run(["du", "--summarize", "--block-size=1", directory], "measure a directory", signal);
    return Number.parseInt(printed, 10);
  }
}

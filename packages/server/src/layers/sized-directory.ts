/**
 * Directories that hold so many bytes at most: each is an ext4 file system of its own, in a sparse file beside its mount point. The mount lives in the launcher's
 * namespace: it outlives the daemon, and is made again when the launcher has ended.
 */
import { mkdir, readdir, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { AtollError } from "../error.ts";
import type { LayerStore } from "./layer-store.ts";
import { makeWritable } from "./writable.ts";

const fileSuffix = ".ext4";
/** What e2fsck says when all is well, or well again. */
const mostHarmless = 2;
const programLimitMs = 600_000;
/** Of the space, where files are expected to be small; less in larger file systems. */
const tablesShare = 1 / 16;

export interface SizedDirectoriesParts {
  readonly layers: LayerStore;
  /** Holds the files and the mount points. */
  readonly directory: string;
  /** Whether they outlive a loss of power: then each has a journal, and gives space that is free again back to the machine. */
  readonly isKept: boolean;
}

export class SizedDirectories {
  readonly #parts: SizedDirectoriesParts;
  readonly #opening = new Map<string, Promise<void>>();

  constructor(parts: SizedDirectoriesParts) {
    this.#parts = parts;
  }

  /**
   * Makes one, or leaves nothing.
   * @returns where it is, not there yet: the caller makes it, as it should be
   */
  async make(name: string, limitBytes: number, signal: AbortSignal): Promise<string> {
    const { directory, layers, isKept } = this.#parts;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      await makeWritable({ run: layers.tryRun }, this.#file(name), fileBytes(limitBytes, isKept), signal, isKept);
      await mkdir(this.#point(name), { mode: 0o700 });
      await this.#mount(name, signal);
      return this.#content(name);
    } catch (error) {
      await this.remove(name);
      throw error;
    }
  }

  /** Where it is; it is mounted again if need be. */
  async open(name: string, signal: AbortSignal): Promise<string> {
    const opening = this.#opening.get(name) ?? this.#open(name, signal);
    this.#opening.set(name, opening);
    try {
      await opening;
      return this.#content(name);
    } finally {
      if (this.#opening.get(name) === opening) this.#opening.delete(name);
    }
  }

  /** Removes it with all that is in it; does nothing when it is not there. */
  async remove(name: string): Promise<void> {
    const { layers } = this.#parts;
    const point = this.#point(name);
    // Lazily, because runtimes that start at this moment hold a copy of all mounts.
    if (await this.#isMounted(name)) await layers.run(["umount", "--lazy", point], "let go of a disk", soon());
    // Before a disk was mounted here, and in earlier versions, the directory itself has the files.
    await layers.removeTree(point);
    await unlink(this.#file(name)).catch(unlessGone(undefined));
  }

  /** Of all that are there, or half made. */
  async names(): Promise<string[]> {
    const names = await readdir(this.#parts.directory).catch((): string[] => []);
    return [...new Set(names.map((name) => basename(name, fileSuffix)))];
  }

  path(name: string): string {
    return this.#point(name);
  }

  async #open(name: string, signal: AbortSignal): Promise<void> {
    if (await this.#isMounted(name)) return;
    // One that was mounted when the power went is not whole.
    const checked = await this.#parts.layers.tryRun(["e2fsck", "-p", this.#file(name)], {
      signal,
      timeoutMs: programLimitMs,
    });
    if ((checked.exitCode ?? mostHarmless + 1) > mostHarmless)
      throw new AtollError("internal", `cannot use the disk ${name}: it is damaged: ${checked.stdout.trim()}`);
    await this.#mount(name, signal);
  }

  async #mount(name: string, signal: AbortSignal): Promise<void> {
    const options = ["loop", "nodev", ...(this.#parts.isKept ? ["discard"] : [])].join(",");
    const argv = ["mount", "-t", "ext4", "-o", options, this.#file(name), this.#point(name)];
    await this.#parts.layers.run(argv, "mount a disk", signal);
  }

  async #isMounted(name: string): Promise<boolean> {
    const point = await stat(this.#point(name)).catch(unlessGone(undefined));
    return point !== undefined && point.dev !== (await stat(this.#parts.directory)).dev;
  }

  #point(name: string): string {
    return join(this.#parts.directory, name);
  }

  #file(name: string): string {
    return `${this.#point(name)}${fileSuffix}`;
  }

  /** Not the top itself, which has lost+found. */
  #content(name: string): string {
    return join(this.#point(name), "content");
  }
}

/** Pure: of the file. What the file system itself needs comes on top: tables, and the journal. */
export function fileBytes(limitBytes: number, isKept: boolean): number {
  return Math.ceil(limitBytes * (1 + tablesShare)) + (isKept ? 10 : 2) * 1024 ** 2;
}

function soon(): AbortSignal {
  return AbortSignal.timeout(programLimitMs);
}

function unlessGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}

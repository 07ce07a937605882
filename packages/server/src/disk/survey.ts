/** What takes up the disk, from the store and from the sizes of single files: no directory of an image is ever walked for it. */
import { lstat, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { DiskEntry, DiskKind, DiskUse } from "@atoll/protocol";
import type { Catalogue } from "../images/catalogue.ts";
import { diskImage, disksDirectory } from "../layers/disk-store.ts";
import type { StateDirectory } from "../state-directory.ts";
import type { Store } from "../store/store.ts";
import { layerUse } from "./layer-use.ts";

/** The unit of `st_blocks`, whatever the file system's own is. */
const blockBytes = 512;

export interface SurveyParts {
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly state: StateDirectory;
  /** Directory of layers, disks, uploads and build logs. */
  readonly directory: string;
}

interface Files {
  readonly count: number;
  readonly sizeBytes: number;
}

export class DiskSurvey {
  readonly #parts: SurveyParts;

  constructor(parts: SurveyParts) {
    this.#parts = parts;
  }

  async take(signal: AbortSignal): Promise<DiskUse> {
    const { catalogue, store, state, directory } = this.#parts;
    const { bsize, blocks, bavail } = await statfs(state.path);
    const pieces = [
      filesEntry("sandbox_disks", await disksIn(directory, signal)),
      filesEntry("volume_copies", await filesIn(join(directory, "volume-copies"), signal, isDisk)),
      filesEntry("shared_volumes", await filesIn(join(directory, "volumes"), signal, isDisk)),
      filesEntry("output", await filesBelow(state.output, signal)),
      filesEntry("build_logs", await filesIn(join(directory, "build-logs"), signal)),
      filesEntry("uploads", await filesIn(join(directory, "contents"), signal)),
    ];
    const layers = store.layers.list();
    const owned = { images: store.images.list(), volumes: store.volumes.list(), cached: store.layers.cached() };
    return {
      fileSystem: { path: state.path, sizeBytes: bsize * blocks, freeBytes: bsize * bavail },
      layers: { count: layers.length, sizeBytes: layers.reduce((total, { sizeBytes }) => total + sizeBytes, 0) },
      entries: [...layerUse({ layers, ...owned }), ...pieces],
      freeable: { gcBytes: catalogue.unusedBytes(), pruneBytes: (await catalogue.prune(true, 0)).freedBytes },
    };
  }
}

function filesEntry(kind: DiskKind, { count, sizeBytes }: Files): DiskEntry {
  return { kind, count, sizeBytes, sharedBytes: 0 };
}

/** In a file system of their own they take up what its file does, which is also what was removed and is not given back yet. */
async function disksIn(directory: string, signal: AbortSignal): Promise<Files> {
  const { count, sizeBytes } = await filesIn(disksDirectory(directory), signal, isDisk);
  return { count, sizeBytes: (await allocated(diskImage(directory))) ?? sizeBytes };
}

/** One directory for each sandbox, with a file for each of its streams. */
async function filesBelow(directory: string, signal: AbortSignal): Promise<Files> {
  let sum: Files = { count: 0, sizeBytes: 0 };
  for (const name of await namesIn(directory)) {
    const { count, sizeBytes } = await filesIn(join(directory, name), signal);
    sum = { count: sum.count + count, sizeBytes: sum.sizeBytes + sizeBytes };
  }
  return sum;
}

async function filesIn(directory: string, signal: AbortSignal, isCounted = (_name: string) => true): Promise<Files> {
  signal.throwIfAborted();
  const names = (await namesIn(directory)).filter(isCounted);
  const sizes = await Promise.all(names.map((name) => allocated(join(directory, name))));
  const there = sizes.filter((size) => size !== undefined);
  return { count: there.length, sizeBytes: there.reduce((total, size) => total + size, 0) };
}

/** Where one is mounted may lie beside it. */
function isDisk(name: string): boolean {
  return name.endsWith(".ext4");
}

/** Empty for a directory that nothing has needed yet, or that was removed meanwhile. */
async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch(unlessGone([]));
}

/** A sparse file takes what was written of it. Undefined for one that was removed meanwhile. */
async function allocated(path: string): Promise<number | undefined> {
  return await lstat(path).then(({ blocks }) => blocks * blockBytes, unlessGone(undefined));
}

function unlessGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}

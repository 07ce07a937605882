/** What a directory holds, as far as one needs to know to see what has changed in it. */
import { isUtf8 } from "node:buffer";
import type { Stats } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { childrenOf } from "../layers/file-tree.ts";
import { Spot } from "../layers/spot.ts";

/**
 * A mark for each path below a directory, a directory before what is in it. Paths are bytes, one character a byte, since
 * names need not be UTF-8.
 */
export type Manifest = ReadonlyMap<string, string>;

/** A file that changes again within one tick of the kernel's clock may keep its times: what is so young counts as changed next time. */
const youngMs = 50;
const unknown = "?";

/**
 * Walks through a directory that may change meanwhile; a file that has only just changed is waited for.
 * @returns marks that tell every later change, but for files that change all the time: those count as changed
 */
export async function readSettled(root: string): Promise<Manifest> {
  for (let left = 3; ; left -= 1) {
    const found = await readManifest(root, true);
    if (left === 0 || ![...found.values()].includes(unknown)) return found;
    await sleep(youngMs);
  }
}

/** @param marksYoung whether what has only just changed is marked as such; false when nobody else writes there */
export async function readManifest(root: string, marksYoung = false): Promise<Manifest> {
  const found = new Map<string, string>();
  await using spot = await Spot.find(root, "", { follow: false });
  await using directory = await spot.openDirectory();
  for await (const { path, stats } of childrenOf(directory, true)) {
    const isYoung = marksYoung && !stats.isDirectory() && Math.abs(Date.now() - stats.ctimeMs) < youngMs;
    const mark = isYoung ? unknown : markOf(stats);
    // A name that is not UTF-8 cannot be named from outside either: it is left out.
    if (mark !== undefined && isUtf8(path)) found.set(path.toString("latin1"), mark);
  }
  return found;
}

/**
 * The inode with its time of change, which no program can set. Directories are marked by permissions and owner alone: what is in them
 * is in the manifest itself. Undefined for what a volume does not keep: FIFOs, sockets, devices.
 */
export function markOf(stats: Stats): string | undefined {
  if (stats.isDirectory()) return `d${stats.mode.toString(8)}.${stats.uid}.${stats.gid}`;
  if (!stats.isFile() && !stats.isSymbolicLink()) return undefined;
  return `${stats.ino}.${stats.ctimeMs}`;
}

export interface Difference {
  /** Paths that are new or have changed, a directory before what is in it. */
  readonly put: readonly string[];
  /** Paths that are gone, what is in a directory before it. */
  readonly removed: readonly string[];
}

/** Pure. */
export function difference(before: Manifest, after: Manifest): Difference {
  const put = [...after].filter(([path, mark]) => mark === unknown || before.get(path) !== mark).map(([path]) => path);
  const removed = [...before.keys()].filter((path) => !after.has(path)).reverse();
  return { put, removed };
}

export function packManifest(manifest: Manifest): Uint8Array {
  return gzipSync(JSON.stringify([...manifest]));
}

export function unpackManifest(packed: Uint8Array): Manifest {
  return new Map(JSON.parse(gunzipSync(packed).toString()) as [string, string][]);
}

import type { Stats } from "node:fs";
import { childrenOf } from "../layers/file-tree.ts";
import { Spot } from "../layers/spot.ts";
import { type Manifest, markOf } from "./manifest.ts";
import { putOne, removeQuietly } from "./merge.ts";

/**
 * Makes a working copy what the volume is now. What the sandbox has changed in it since the last commit stays: it is committed
 * next.
 * @returns what of the copy is in the volume
 */
export async function catchUp(view: string, copy: string, committed: Manifest): Promise<Manifest> {
  const [wanted, present] = [await statsBelow(view), await statsBelow(copy)];
  const isOwn = (path: string, stats: Stats) => markOf(stats) !== committed.get(path);
  for (const [path, stats] of [...present].reverse()) {
    if (!wanted.has(path) && !isOwn(path, stats)) await removeQuietly(copy, path);
  }
  for (const [path, stats] of wanted) {
    const there = present.get(path);
    const isKept = there ? isOwn(path, there) || isSame(stats, there) : committed.has(path);
    if (!isKept) await putOne(view, path, copy, path);
  }
  const seen = new Map<string, string>();
  for (const [path, stats] of await statsBelow(copy)) {
    const mark = markOf(stats);
    const earlier = present.get(path);
    const isTheirs = !earlier || !isOwn(path, earlier) || isSame(wanted.get(path), stats);
    if (mark !== undefined && wanted.has(path) && isTheirs) seen.set(path, mark);
  }
  return seen;
}

async function statsBelow(root: string): Promise<Map<string, Stats>> {
  const found = new Map<string, Stats>();
  await using spot = await Spot.find(root, "", { follow: false });
  await using directory = await spot.openDirectory();
  for await (const { path, stats } of childrenOf(directory, true)) found.set(path.toString("latin1"), stats);
  return found;
}

/** Copies keep times, to the microsecond. */
function isSame(one: Stats | undefined, other: Stats): boolean {
  if (!one || one.mode !== other.mode || one.uid !== other.uid || one.gid !== other.gid) return false;
  if (one.isDirectory()) return true;
  return one.size === other.size && Math.abs(one.mtimeMs - other.mtimeMs) < 0.01;
}

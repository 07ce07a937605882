/** A reload: a working copy becomes what the volume is now. What the sandbox has changed in it since the last commit stays, and is committed next. */
import type { Stats } from "node:fs";
import { childrenOf } from "../layers/file-tree.ts";
import { Spot } from "../layers/spot.ts";
import { type Manifest, markOf } from "./manifest.ts";
import { putOne, removeQuietly } from "./merge.ts";

const gone = "";

/**
 * What a reload changes in a copy, in this order: for each path what it looks like afterwards. It is stored before anything is
 * changed. Of a reload that a crash has cut short one could not tell otherwise what the sandbox wrote, and would commit the rest as
 * the sandbox's own, over what others have committed since.
 */
export type ReloadPlan = ReadonlyMap<string, string>;

/** @param committed what of the copy is in the volume */
export async function planReload(view: string, copy: string, committed: Manifest): Promise<ReloadPlan> {
  const [wanted, present] = [await statsBelow(view), await statsBelow(copy)];
  const isOwn = (path: string, stats: Stats) => markOf(stats) !== committed.get(path);
  const plan = new Map<string, string>();
  for (const [path, stats] of [...present].reverse()) {
    if (!wanted.has(path) && !isOwn(path, stats)) plan.set(path, gone);
  }
  for (const [path, stats] of wanted) {
    const there = present.get(path);
    const isSame = there !== undefined && look(there) === look(stats);
    // One that looks the same and has another mark was committed so young that its mark was not known.
    const isPlanned = there ? isOwn(path, there) === isSame : !committed.has(path);
    if (isPlanned) plan.set(path, look(stats));
  }
  return plan;
}

export async function carryOut(plan: ReloadPlan, view: string, copy: string): Promise<void> {
  const present = await statsBelow(copy);
  for (const [path, wanted] of plan) {
    const there = present.get(path);
    if (wanted === gone) await removeQuietly(copy, path);
    else if (!there || look(there) !== wanted) await putOne(view, path, copy, path);
  }
}

/**
 * What of the copy is in the volume after a reload.
 * @param isWhole whether it came to its end
 */
export async function settle(plan: ReloadPlan, copy: string, committed: Manifest, isWhole: boolean): Promise<Manifest> {
  const present = await statsBelow(copy);
  const settled = new Map(committed);
  for (const [path, wanted] of plan) {
    const there = present.get(path);
    // A directory that was to go and stays has something of the sandbox in it, and is the sandbox's own from now on.
    const isDone = isWhole && wanted === gone;
    // What is missing in the middle was taken away to be replaced.
    const isMissing = !isWhole && there === undefined;
    if (isDone || isMissing) settled.delete(path);
    const mark = there && wanted === look(there) ? markOf(there) : undefined;
    if (mark !== undefined) settled.set(path, mark);
  }
  return settled;
}

async function statsBelow(root: string): Promise<Map<string, Stats>> {
  const found = new Map<string, Stats>();
  await using spot = await Spot.find(root, "", { follow: false });
  await using directory = await spot.openDirectory();
  for await (const { path, stats } of childrenOf(directory, true)) found.set(path.toString("latin1"), stats);
  return found;
}

/** What a copy of a file has in common with it. Times are kept to the microsecond; the last digits of a number do not hold it exactly. */
function look(stats: Stats): string {
  const kind = `${stats.mode.toString(8)}.${stats.uid}.${stats.gid}`;
  return stats.isDirectory() ? kind : `${kind}.${stats.size}.${stats.mtimeMs.toFixed(2)}`;
}

/** How changes of one directory get into another; what is in both comes from sandboxes, so paths are found as spot.ts finds them. */
import { copyOne } from "../layers/copy-tree.ts";
import { removeFile } from "../layers/file-tree.ts";
import { FileSystemError, Spot } from "../layers/spot.ts";
import type { Difference } from "./manifest.ts";

/**
 * Does to `to` what was done to `from`. Of a directory that was removed there, what others have put into it stays.
 * @param prefix where in `to` the changes belong; empty, or without a slash at either end
 */
export async function mergeInto(from: string, to: string, prefix: string, { put, removed }: Difference): Promise<void> {
  for (const path of removed) await removeQuietly(to, within(prefix, path));
  for (const path of put) await putOne(from, path, to, within(prefix, path));
}

/** Puts one file, link or directory, without what is in it. What stands in its way is replaced: the later change wins. */
export async function putOne(from: string, path: string, to: string, target: string): Promise<void> {
  await using source = await findOrNothing(from, named(path));
  // It is gone again: the next look says so.
  if (!source?.stats) return;
  await clearWay(to, target);
  await using spot = await Spot.find(to, named(target), { follow: false, parents: true });
  if (spot.stats && spot.stats.isDirectory() !== source.stats.isDirectory()) {
    await removeFile(to, named(target), true);
    await using free = await Spot.find(to, named(target), { follow: false });
    await copyOne(source.place, source.stats, free, "alone");
    return;
  }
  await copyOne(source.place, source.stats, spot, "alone");
}

/** What is no directory on the way to a path is removed. */
async function clearWay(root: string, path: string): Promise<void> {
  const parts = path.split("/");
  for (let depth = 1; depth < parts.length; depth += 1) {
    const way = named(parts.slice(0, depth).join("/"));
    await using spot = await findOrNothing(root, way);
    if (spot?.stats === undefined) return;
    if (!spot.stats.isDirectory()) return await removeFile(root, way, false);
  }
}

/** A directory that has something in it stays. */
export async function removeQuietly(root: string, path: string): Promise<void> {
  try {
    await removeFile(root, named(path), false);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(code)) throw error;
  }
}

/** Does not follow links, neither at the end of the path nor on the way: manifests name what is really there. */
async function findOrNothing(root: string, path: string): Promise<Spot | undefined> {
  try {
    const spot = await Spot.find(root, path, { follow: false });
    if (spot.path === path) return spot;
    await spot[Symbol.asyncDispose]();
    return undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function within(prefix: string, path: string): string {
  return prefix === "" ? path : `${Buffer.from(prefix).toString("latin1")}/${path}`;
}

/** @throws an error with the code EILSEQ: such names are not carried into volumes */
function named(path: string): string {
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString();
  if (!Buffer.from(text).equals(bytes)) throw new FileSystemError("EILSEQ");
  return text;
}

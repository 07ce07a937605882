/** Copies and renames below a directory whose content is hostile. */
import { constants, type Stats } from "node:fs";
import { chmod, copyFile, type FileHandle, lchown, lutimes, mkdir, readlink, rename, symlink } from "node:fs/promises";
import { posix } from "node:path";
import { atOnce, childrenOf, existing, openPlain, removeFile } from "./file-tree.ts";
import { childPath, FileSystemError, openChild, Spot } from "./spot.ts";

/** As cp(1): into `to` when that is a directory, else under that very name. */
export async function copyFiles(root: string, from: readonly string[], to: string, recursive: boolean): Promise<void> {
  const isInto = to.endsWith("/") || from.length > 1 || (await isDirectory(root, to));
  if (isInto && !(await isDirectory(root, to))) throw new FileSystemError("ENOTDIR");
  for (const path of from) {
    await using source = await Spot.find(root, path, { follow: true });
    const stats = existing(source);
    if (stats.isDirectory() && !recursive) throw new FileSystemError("EISDIR");
    const name = posix.basename(source.path) || ".";
    await using target = await Spot.find(root, isInto ? `${to}/${name}` : to, { follow: true, parents: true });
    if (stats.isDirectory() && `${target.path}/`.startsWith(`${source.path}/`)) throw new FileSystemError("EINVAL");
    await copyOne(source.place, stats, target, { root, openDirectory: () => source.openDirectory() });
  }
}

/** @throws an error with the code EEXIST when something is there that is not to be replaced */
export async function renameFile(root: string, from: string, to: string, overwrite: boolean): Promise<void> {
  await using source = await Spot.find(root, from, { follow: false });
  await using target = await Spot.find(root, to, { follow: false });
  const stats = existing(source);
  if (source.path === "" || target.path === "") throw new FileSystemError("EBUSY");
  if (target.stats && !overwrite) throw new FileSystemError("EEXIST");
  if (source.path === target.path) return;
  try {
    await rename(source.place, target.place);
  } catch (error) {
    // A directory of a lower layer is not renamed by overlayfs.
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    if (target.stats) await removeFile(root, target.path, false);
    await using fresh = await Spot.find(root, target.path, { follow: false });
    await copyOne(source.place, stats, fresh, { root, openDirectory: () => source.openDirectory() });
    await removeFile(root, source.path, true);
  }
}

/** How what is in a directory is copied along. */
interface Whole {
  /** What the target's path begins at. */
  readonly root: string;
  openDirectory(): Promise<FileHandle>;
}

/**
 * Copies what `place` is into the target's place, with owner, permissions and times.
 * @param extent `alone`: of a directory nothing that is in it
 */
export async function copyOne(
  place: string | Buffer,
  stats: Stats,
  target: Spot,
  extent: Whole | "alone",
): Promise<void> {
  if (stats.isDirectory()) return await copyDirectory(stats, target, extent);
  if (target.stats?.isDirectory()) throw new FileSystemError("EISDIR");
  if (stats.isSymbolicLink()) {
    const link = await readlink(place);
    await atOnce(target, async (made) => {
      await symlink(link, made);
      await likeBefore(made, stats);
    });
  } else if (stats.isFile()) {
    await using file = await openPlain(place);
    await atOnce(target, async (made) => {
      await copyFile(`/proc/self/fd/${file.fd}`, made, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await likeBefore(made, stats);
    });
  }
  // FIFOs, sockets and devices mean nothing in a copy.
}

async function copyDirectory(stats: Stats, target: Spot, extent: Whole | "alone"): Promise<void> {
  if (target.stats && !target.stats.isDirectory()) throw new FileSystemError("ENOTDIR");
  const isNew = target.stats === undefined;
  if (isNew) await mkdir(target.place);
  if (extent !== "alone") await copyContent(target, extent);
  if (isNew || extent === "alone") await likeBefore(target.place, stats);
}

async function copyContent(target: Spot, { root, openDirectory }: Whole): Promise<void> {
  await using source = await openDirectory();
  for await (const { directory, name: bytes, stats } of childrenOf(source, false)) {
    const name = bytes.toString();
    // Names that are not UTF-8 are not named by any path here.
    if (!Buffer.from(name).equals(bytes)) throw new FileSystemError("EILSEQ");
    await using inner = await Spot.find(root, `${target.path}/${name}`, { follow: false });
    const extent = { root, openDirectory: () => openChild(directory, bytes) };
    await copyOne(childPath(directory, bytes), stats, inner, extent);
  }
}

async function likeBefore(place: string, stats: Stats): Promise<void> {
  await lchown(place, stats.uid, stats.gid);
  if (!stats.isSymbolicLink()) await chmod(place, stats.mode & 0o7777);
  // As numbers: a Date has whole milliseconds only.
  await lutimes(place, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}

async function isDirectory(root: string, path: string): Promise<boolean> {
  try {
    await using spot = await Spot.find(root, path, { follow: true });
    return spot.stats?.isDirectory() ?? false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Files of a directory whose content is hostile, as operations of this machine's own: see spot.ts for what keeps them in it. */
import { isUtf8 } from "node:buffer";
import { constants, type Stats } from "node:fs";
import { chmod, type FileHandle, lstat, mkdir, open, readdir, readlink, rename, rmdir, unlink } from "node:fs/promises";
import { posix } from "node:path";
import type { FileEntry } from "@atoll/protocol";
import { randomText } from "../id.ts";
import { childPath, FileSystemError, openChild, Spot } from "./spot.ts";

const pieceBytes = 256 * 1024;
const groupSize = 256;
/** Each level holds a file descriptor. */
const mostDepth = 1000;

/** Something in a directory that is held open. */
export interface Child {
  readonly directory: FileHandle;
  readonly name: Buffer;
  /** Relative to where the walk began. */
  readonly path: Buffer;
  readonly stats: Stats;
}

export interface PutOptions {
  readonly mode?: number | undefined;
  /** It must not exist. */
  readonly exclusive: boolean;
}

export async function statFile(root: string, path: string, follow: boolean): Promise<FileEntry> {
  await using spot = await Spot.find(root, path, { follow });
  // Awaited here: while the spot is closed, nobody would take a failure.
  return await entryAt(spot);
}

/** What is in a directory, in groups, in the order of names, a directory before what is in it; of a file, the file. */
export async function* listFiles(root: string, path: string, recursive: boolean): AsyncGenerator<FileEntry[]> {
  await using spot = await Spot.find(root, path, { follow: true });
  const found = existing(spot);
  if (!found.isDirectory()) return yield [await entryAt(spot)];
  await using directory = await spot.openDirectory();
  let group: FileEntry[] = [];
  for await (const child of childrenOf(directory, recursive)) {
    const name = spot.path === "" ? child.path : Buffer.concat([Buffer.from(`${spot.path}/`), child.path]);
    group.push(await entryOf(name, child.stats, childPath(child.directory, child.name)));
    if (group.length < groupSize) continue;
    yield group;
    group = [];
  }
  yield group;
}

/** A walk through a directory, one by one; what changes meanwhile may be seen or not. */
export async function* childrenOf(directory: FileHandle, recursive: boolean, depth = 0): AsyncGenerator<Child> {
  if (depth > mostDepth) throw new FileSystemError("ENAMETOOLONG");
  const names = await readdir(`/proc/self/fd/${directory.fd}`, { encoding: "buffer" });
  for (const name of names.sort(Buffer.compare)) {
    const stats = await lstat(childPath(directory, name)).catch(unlessGone);
    if (!stats) continue;
    yield { directory, name, path: name, stats };
    if (!recursive || !stats.isDirectory()) continue;
    await using inner = await openChild(directory, name);
    for await (const child of childrenOf(inner, true, depth + 1)) {
      yield { ...child, path: Buffer.concat([name, Buffer.from("/"), child.path]) };
    }
  }
}

export interface OpenedFile extends AsyncDisposable {
  readonly sizeBytes: number;
  /** @param length bytes at most; undefined for all */
  read(offset: number, length: number | undefined): AsyncGenerator<Buffer>;
}

export async function openFile(root: string, path: string): Promise<OpenedFile> {
  await using spot = await Spot.find(root, path, { follow: true });
  const found = existing(spot);
  if (found.isDirectory()) throw new FileSystemError("EISDIR");
  const file = await openPlain(spot.place);
  return {
    sizeBytes: found.size,
    read: (offset, length) => pieces(file, offset, length),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** Opens a regular file and nothing else: whatever has taken its place, no link is followed and no FIFO waited for. */
export async function openPlain(place: string | Buffer): Promise<FileHandle> {
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new FileSystemError("EINVAL");
}

export async function* pieces(file: FileHandle, offset: number, length: number | undefined): AsyncGenerator<Buffer> {
  for (let at = offset, left = length ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, left));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
    left -= bytesRead;
  }
}

/** Puts a file, or a link, in place of what is there, in one step; the directories it lies in are made. */
export async function putFile(
  root: string,
  path: string,
  source: AsyncIterable<Uint8Array>,
  { mode, exclusive }: PutOptions,
): Promise<FileEntry> {
  await using spot = await Spot.find(root, path, { follow: false, parents: true });
  requireRoom(spot, exclusive);
  const kept = spot.stats?.isFile() ? spot.stats.mode & 0o7777 : 0o644;
  await atOnce(spot, async (place) => {
    await using file = await open(place, "wx", 0o600);
    for await (const piece of source) await file.appendFile(piece);
    await file.chmod(mode ?? kept);
  });
  return await statFile(root, spot.path, false);
}

/** Makes something under another name, and gives it its own when it is whole. */
export async function atOnce(spot: Spot, make: (place: string) => Promise<void>): Promise<void> {
  const temporary = `/proc/self/fd/${spot.parent.fd}/.atoll-${randomText(12)}`;
  try {
    await make(temporary);
    await rename(temporary, spot.place);
  } catch (error) {
    await unlink(temporary).catch(unlessGone);
    throw error;
  }
}

export function requireRoom({ stats }: Spot, exclusive: boolean): void {
  if (stats?.isDirectory()) throw new FileSystemError("EISDIR");
  if (stats && exclusive) throw new FileSystemError("EEXIST");
}

export async function makeDirectory(root: string, path: string, mode: number, parents: boolean): Promise<void> {
  await using spot = await Spot.find(root, path, { follow: parents, parents });
  if (parents && spot.stats?.isDirectory()) return;
  if (spot.stats) throw new FileSystemError("EEXIST");
  await mkdir(spot.place);
  await chmod(spot.place, mode);
}

export async function removeFile(root: string, path: string, recursive: boolean): Promise<void> {
  await using spot = await Spot.find(root, path, { follow: false });
  if (spot.path === "") throw new FileSystemError("EBUSY");
  if (!existing(spot).isDirectory()) return await unlink(spot.place);
  if (recursive) {
    await using directory = await spot.openDirectory();
    await emptyDirectory(directory);
  }
  await rmdir(spot.place);
}

async function emptyDirectory(directory: FileHandle, depth = 0): Promise<void> {
  if (depth > mostDepth) throw new FileSystemError("ENAMETOOLONG");
  for (const name of await readdir(`/proc/self/fd/${directory.fd}`, { encoding: "buffer" })) {
    const place = childPath(directory, name);
    if (!(await lstat(place)).isDirectory()) {
      await unlink(place);
      continue;
    }
    await using inner = await openChild(directory, name);
    await emptyDirectory(inner, depth + 1);
    await rmdir(place);
  }
}

export function existing({ stats }: Spot): Stats {
  if (stats) return stats;
  throw new FileSystemError("ENOENT");
}

async function entryAt(spot: Spot): Promise<FileEntry> {
  return entryOf(Buffer.from(spot.path), existing(spot), spot.place);
}

async function entryOf(path: Buffer, stats: Stats, place: string | Buffer): Promise<FileEntry> {
  const whole = Buffer.concat([Buffer.from("/"), path]);
  const text = whole.toString();
  return {
    name: posix.basename(text),
    path: text,
    ...(!isUtf8(path) && { pathBase64: whole.toString("base64") }),
    type: typeOf(stats),
    size: stats.isDirectory() ? 0 : stats.size,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    modifiedAt: stats.mtime.toISOString(),
    ...(stats.isSymbolicLink() && { linkTarget: await readlink(place) }),
  };
}

function typeOf(stats: Stats): FileEntry["type"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  return stats.isSocket() ? "socket" : "device";
}

export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

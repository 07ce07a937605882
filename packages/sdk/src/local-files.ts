/** Copying between this machine and a sandbox. Loaded in Node, Bun and Deno only. */
import { createReadStream } from "node:fs";
import { chmod, link, lstat, mkdir, open, readdir, readlink, rm, stat, symlink, utimes } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { AtollError, InvalidError } from "./errors.ts";
import type { CopyOptions, SandboxFilesystem } from "./filesystem.ts";
import { archiveEnd, padding, type TarEntry, TarReader, tarHeader } from "./tar.ts";

const blockBytes = 256 * 1024;

/** Where files are copied to and from. */
export type Files = Pick<SandboxFilesystem, "stat" | "readArchive" | "readStream" | "writeArchive" | "writeStream">;

/** A file keeps its permissions; a directory is sent as one archive. Owners become the user that writes. */
export async function copyFromLocal(
  fs: Files,
  local: string,
  path: string,
  { onProgress, ...options }: CopyOptions,
): Promise<void> {
  const found = await told("copy", local, stat(local));
  if (found.isDirectory()) {
    await fs.writeArchive(path, counted(archiveOf(local), onProgress), options);
    return;
  }
  const mode = found.mode & 0o777;
  await fs.writeStream(path, counted(fileBytes(local), onProgress), { ...options, mode });
}

/** A directory comes as one archive, and nothing in it is put outside of `local`. */
export async function copyToLocal(
  fs: Files,
  path: string,
  local: string,
  { onProgress, ...options }: CopyOptions,
): Promise<void> {
  const entry = await fs.stat(path, options);
  if (entry.type === "directory") {
    const archive = await fs.readArchive(path, options);
    await extract(new TarReader(counted(archive, onProgress)), resolve(local));
    return;
  }
  const bytes = await fs.readStream(path, options);
  await told("make", dirname(local), mkdir(dirname(resolve(local)), { recursive: true }));
  await writeFile(local, counted(bytes, onProgress), entry.mode & 0o777, "w");
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onProgress: ((bytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    onProgress?.(bytes);
    yield piece;
  }
}

async function* fileBytes(local: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(local, { highWaterMark: blockBytes })) yield piece as Uint8Array;
  } catch (error) {
    throw localError("read", local, error);
  }
}

async function* archiveOf(directory: string): AsyncGenerator<Uint8Array> {
  yield* entryBytes(directory, "./");
  yield archiveEnd;
}

/** Of a directory, all that is below it too. */
async function* entryBytes(local: string, name: string): AsyncGenerator<Uint8Array> {
  const found = await told("copy", local, name === "./" ? stat(local) : lstat(local));
  const about = { name, target: "", size: 0, mode: found.mode & 0o7777, mtime: Math.floor(found.mtimeMs / 1000) };
  if (found.isDirectory()) {
    yield* tarHeader({ ...about, type: "directory", name: name === "./" ? name : `${name}/` });
    for (const child of (await told("list", local, readdir(local))).sort()) {
      yield* entryBytes(join(local, child), name === "./" ? child : `${name}/${child}`);
    }
  } else if (found.isSymbolicLink()) {
    yield* tarHeader({ ...about, type: "symlink", target: await told("read", local, readlink(local)) });
  } else if (found.isFile()) {
    yield* tarHeader({ ...about, type: "file", size: found.size });
    yield* exactly(local, found.size);
    yield padding(found.size);
  }
}

/** As many bytes as the header said, however the file changes meanwhile; fewer than that fail. */
async function* exactly(local: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  if (size > 0) {
    for await (const piece of createReadStream(local, { end: size - 1, highWaterMark: blockBytes })) {
      left -= (piece as Uint8Array).length;
      yield piece as Uint8Array;
    }
  }
  if (left > 0) throw localError("read", local, new Error("it became shorter meanwhile"));
}

/** Links are made last, and directories get their permissions last, so that nothing is written through the one or kept out by the other. */
async function extract(archive: TarReader, root: string): Promise<void> {
  const links: TarEntry[] = [];
  const directories: TarEntry[] = [];
  await told("make", root, mkdir(root, { recursive: true }));
  for (let entry = await archive.next(); entry; entry = await archive.next()) {
    const path = placeOf(entry.name, root);
    if (entry.type === "directory") directories.push(entry);
    if (entry.type === "symlink") links.push(entry);
    else await told("write", path, extractOne(archive, entry, path, root));
  }
  for (const entry of links) await told("link", entry.name, makeLink(entry, placeOf(entry.name, root), root));
  for (const entry of directories.reverse()) await told("change", entry.name, finishDirectory(entry, root));
}

async function extractOne(archive: TarReader, entry: TarEntry, path: string, root: string): Promise<void> {
  if (entry.type === "other") return; // devices and FIFOs belong to the sandbox
  if (entry.type === "directory") {
    await realDirectory(path, root);
    return;
  }
  await realDirectory(dirname(path), root);
  await rm(path, { force: true });
  if (entry.type === "hardlink") {
    const old = placeOf(entry.target, root);
    await realDirectory(dirname(old), root);
    await link(old, path);
    return;
  }
  await writeFile(path, archive.bytes(), entry.mode & 0o777, "wx");
  await utimes(path, entry.mtime, entry.mtime);
}

async function makeLink(entry: TarEntry, path: string, root: string): Promise<void> {
  await realDirectory(dirname(path), root);
  await rm(path, { force: true });
  await symlink(entry.target, path);
}

async function finishDirectory(entry: TarEntry, root: string): Promise<void> {
  const path = placeOf(entry.name, root);
  if (path !== root && !(await lstat(path)).isDirectory()) throw new Error("it is a directory no longer");
  await utimes(path, entry.mtime, entry.mtime);
  await chmod(path, entry.mode & 0o777);
}

/** Pure: where an entry goes. @throws InvalidError for a name that leads out */
function placeOf(name: string, root: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || (sep !== "/" && name.includes(sep))) throw leadsOut(name);
  return join(root, ...parts);
}

/** Makes the directories from `root` to `path`, and refuses links on the way. */
async function realDirectory(path: string, root: string): Promise<void> {
  if (path === root) return;
  await realDirectory(dirname(path), root);
  await mkdir(path).catch(async (error) => {
    if (error.code !== "EEXIST") throw error;
    if (!(await lstat(path)).isDirectory()) throw leadsOut(path);
  });
}

export async function writeFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  mode: number,
  flags: string,
): Promise<void> {
  const file = await told("write", path, open(path, flags, 0o600));
  try {
    for await (const piece of bytes) await told("write", path, file.appendFile(piece));
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/** What this machine's system says, as an error of the SDK. */
export async function told<Value>(doing: string, path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw localError(doing, path, error);
  }
}

function localError(doing: string, path: string, cause: unknown): AtollError {
  if (cause instanceof AtollError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const hint = "This is about a file on this machine, not in the sandbox.";
  return new InvalidError(`cannot ${doing} ${path}: ${message}`, { code: "local_file", hint, cause });
}

function leadsOut(name: string): InvalidError {
  return new InvalidError(`cannot copy ${basename(name)}: its path leads out of the directory, or through a link`, {
    code: "local_file",
    hint: "Copy to a directory without such links.",
  });
}

/** A directory whose content is hostile as an archive, and an archive from elsewhere into it. */
import type { Stats } from "node:fs";
import { chmod, link, lutimes, mkdir, readlink, symlink } from "node:fs/promises";
import { AtollError } from "../error.ts";
import { atOnce, childrenOf, existing, openPlain, pieces, putFile, requireRoom } from "./file-tree.ts";
import { childPath, FileSystemError, Spot } from "./spot.ts";
import { padding, readTar, TarError, type TarHeader, type TarType, tarEnd, tarHeader } from "./tar.ts";

/** A directory as `./` and all below it, or a file under its own name; without FIFOs, sockets and devices. */
export async function* packTree(root: string, path: string): AsyncGenerator<Buffer> {
  await using spot = await Spot.find(root, path, { follow: true });
  const stats = existing(spot);
  if (!stats.isDirectory()) {
    yield* entry(spot.name, stats, spot.place);
    return yield tarEnd;
  }
  yield* entry("./", stats, spot.place);
  await using directory = await spot.openDirectory();
  for await (const child of childrenOf(directory, true)) {
    const name = child.path.toString("latin1");
    const place = childPath(child.directory, child.name);
    yield* entry(child.stats.isDirectory() ? `${name}/` : name, child.stats, place);
  }
  yield tarEnd;
}

async function* entry(name: string, stats: Stats, place: string | Buffer): AsyncGenerator<Buffer> {
  if (stats.isDirectory()) yield tarHeader(headerOf(name, "directory", stats));
  if (stats.isSymbolicLink()) {
    const target = await readlink(place, { encoding: "buffer" });
    yield tarHeader({ ...headerOf(name, "symlink", stats), link: target.toString("latin1") });
  }
  if (!stats.isFile()) return;
  await using file = await openPlain(place);
  // As many bytes as the header says, however the file changes meanwhile; fewer fail.
  yield tarHeader({ ...headerOf(name, "file", stats), sizeBytes: stats.size });
  let left = stats.size;
  for await (const piece of pieces(file, 0, stats.size)) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) throw new FileSystemError("ESTALE");
  yield padding(stats.size);
}

function headerOf(name: string, type: TarType, stats: Stats): TarHeader {
  const { uid, gid } = stats;
  const mtime = Math.max(0, Math.floor(stats.mtimeMs / 1000));
  const rest = { sizeBytes: 0, link: "", major: 0, minor: 0, records: new Map() };
  return { name, type, mode: stats.mode & 0o7777, uid, gid, mtime, ...rest };
}

/**
 * Puts what an archive holds into a directory, which is made if missing; all of it belongs to root.
 * @throws AtollError invalid_argument for an archive that is broken, or holds what no volume takes
 */
export async function unpackTree(
  root: string,
  path: string,
  archive: AsyncIterable<Buffer>,
  exclusive: boolean,
): Promise<void> {
  await using target = await Spot.find(root, path, { follow: true, parents: true });
  if (target.stats === undefined) await mkdir(target.place);
  else if (!target.stats.isDirectory()) throw new FileSystemError("ENOTDIR");
  const times: [path: string, mtime: number][] = [];
  try {
    for await (const { header, body } of readTar(archive)) {
      const at = `${target.path}/${safeName(header.name)}`;
      await unpackOne(root, at, target.path, header, body, exclusive);
      times.push([at, header.mtime]);
    }
  } catch (error) {
    if (error instanceof TarError) throw refused(`it is broken: ${error.message}`);
    throw error;
  }
  // Last, because what is made in a directory changes its time.
  for (const [at, mtime] of times) {
    await using spot = await Spot.find(root, at, { follow: false });
    await lutimes(spot.place, mtime, mtime);
  }
}

async function unpackOne(
  root: string,
  at: string,
  directory: string,
  header: TarHeader,
  body: AsyncIterable<Buffer>,
  exclusive: boolean,
): Promise<void> {
  if (header.type === "directory") return await unpackDirectory(root, at, header.mode);
  if (header.type === "file") return void (await putFile(root, at, body, { mode: header.mode, exclusive }));
  await using spot = await Spot.find(root, at, { follow: false, parents: true });
  requireRoom(spot, exclusive);
  if (header.type === "symlink") {
    await atOnce(spot, (place) => symlink(Buffer.from(header.link, "latin1"), place));
  } else if (header.type === "hardlink") {
    await using old = await Spot.find(root, `${directory}/${safeName(header.link)}`, { follow: false });
    if (!existing(old).isFile()) throw refused("it links to what is no file");
    await atOnce(spot, (place) => link(old.place, place));
  } else throw refused(`it holds something other than files, directories and links: ${JSON.stringify(header.name)}`);
}

async function unpackDirectory(root: string, at: string, mode: number): Promise<void> {
  await using spot = await Spot.find(root, at, { follow: true, parents: true });
  if (spot.path === "") return;
  if (spot.stats === undefined) await mkdir(spot.place);
  else if (!spot.stats.isDirectory()) throw new FileSystemError("ENOTDIR");
  await chmod(spot.place, mode);
}

function safeName(name: string): string {
  const bytes = Buffer.from(name, "latin1");
  const text = bytes.toString();
  if (!Buffer.from(text).equals(bytes)) throw refused("it has a name that is not UTF-8");
  if (text.includes("\0") || text.split("/").includes("..")) throw refused(`it has the name ${JSON.stringify(text)}`);
  return text;
}

function refused(why: string): AtollError {
  return new AtollError("invalid_argument", `cannot unpack the archive: ${why}`, "Make the archive anew without it.");
}

/** What a COPY or ADD writes into a new layer, as an archive to unpack at its root. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";
import { placeIn } from "../layers/place.ts";
import { padding, readTar, type TarHeader, tarEnd, tarHeader } from "../layers/tar.ts";
import { decompressed } from "./decompressed.ts";
import type { Source } from "./find-sources.ts";
import type { Owner } from "./image-user.ts";
import { baseName, bytesOf, type SourceTree, type TreeEntry, textOf } from "./source-tree.ts";

export interface Target {
  /** The stack below, mounted. */
  readonly below: string;
  /** Absolute, as it was asked for. */
  readonly path: string;
  readonly isDirectory: boolean;
  /** Of all that is copied; its own when absent. */
  readonly owner: Owner | undefined;
  readonly mode: number | undefined;
  readonly unpacks: boolean;
}

export async function* copyTar(tree: SourceTree, sources: readonly Source[], target: Target): AsyncGenerator<Buffer> {
  const writer = new Writer(tree, target);
  for (const source of sources) yield* writer.source(source, sources.length > 1);
  yield tarEnd;
}

class Writer {
  readonly #tree: SourceTree;
  readonly #target: Target;
  /** Directories that the archive has, by their path in the layer. */
  readonly #made = new Set<string>();
  /** Where a path as it was asked for leads. */
  readonly #places = new Map<string, string>();

  constructor(tree: SourceTree, target: Target) {
    this.#tree = tree;
    this.#target = target;
  }

  async *source({ entry, name }: Source, isOneOfMany: boolean): AsyncGenerator<Buffer> {
    const { path, isDirectory, unpacks } = this.#target;
    if (entry.type === "directory") {
      yield* this.#contents(entry, path);
      return;
    }
    const archive = unpacks ? await archiveOf(this.#tree, entry) : undefined;
    if (archive) {
      yield* this.#unpacked(archive, path);
      return;
    }
    const isInside = isDirectory || isOneOfMany || (await this.#isDirectory(path));
    const slash = path.lastIndexOf("/");
    if (isInside) yield* this.#entry(entry, path, name);
    else yield* this.#entry(entry, path.slice(0, slash) || "/", bytesOf(path.slice(slash + 1)));
  }

  async *#contents(directory: TreeEntry, path: string): AsyncGenerator<Buffer> {
    yield* this.#directory(path, undefined);
    for (const child of await this.#tree.children(directory)) {
      const name = baseName(child.name);
      const inner = `${path}/${textOf(name)}`;
      if (child.type === "directory") {
        yield* this.#directory(inner, child);
        yield* this.#contents(child, inner);
      } else yield* this.#entry(child, path, name);
    }
  }

  async *#entry(entry: TreeEntry, path: string, name: string): AsyncGenerator<Buffer> {
    yield* this.#directory(path, undefined);
    const place = this.#places.get(path) ?? "";
    const header = this.#headerOf(entry, place === "" ? name : `${bytesOf(place)}/${name}`);
    yield tarHeader(header);
    if (entry.type !== "file") return;
    let bytes = 0;
    for await (const piece of this.#tree.open(entry)) {
      bytes += piece.length;
      yield piece;
    }
    if (bytes !== entry.sizeBytes)
      throw new AtollError("internal", `cannot copy ${textOf(entry.name)}: it changed meanwhile`);
    yield padding(bytes);
  }

  #headerOf(entry: TreeEntry, name: string): TarHeader {
    const { owner, mode } = this.#target;
    const { type, uid, gid, sizeBytes, mtime, link } = entry;
    const own = owner ?? { uid, gid };
    return {
      ...plain,
      ...own,
      name,
      type,
      mode: type === "symlink" ? 0o777 : (mode ?? entry.mode),
      sizeBytes: type === "file" ? sizeBytes : 0,
      mtime,
      link,
    };
  }

  /** Makes a directory in the layer with all that lead to it; those that the stack below has stay as they are. */
  async *#directory(path: string, like: TreeEntry | undefined): AsyncGenerator<Buffer> {
    if (this.#places.has(path)) return;
    const place = await placeIn(this.#target.below, path);
    this.#places.set(path, place.path);
    const parts = place.path.split("/").filter((part) => part !== "");
    for (let depth = 0; depth <= parts.length; depth += 1) {
      const way = parts.slice(0, depth).join("/");
      if (this.#made.has(way)) continue;
      this.#made.add(way);
      const found = await lstat(join(this.#target.below, way)).catch(() => undefined);
      if (found && !found.isDirectory())
        throw new AtollError("invalid_argument", `cannot copy into /${way}: it is not a directory`);
      const name = way === "" ? "." : bytesOf(way);
      const isLast = depth === parts.length;
      const made = isLast && like ? this.#headerOf(like, name) : { ...plain, ...this.#target.owner, name };
      if (!found) yield tarHeader(made);
      else
        yield tarHeader({
          ...plain,
          name,
          mode: found.mode & 0o7777,
          uid: found.uid,
          gid: found.gid,
          mtime: Math.floor(found.mtimeMs / 1000),
        });
    }
  }

  async *#unpacked(archive: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer> {
    const { owner } = this.#target;
    yield* this.#directory(path, undefined);
    for await (const { header, body } of readTar(archive)) {
      const parts = header.name.split("/").filter((part) => part !== "" && part !== ".");
      if (header.name.startsWith("/") || parts.includes("..")) {
        throw new AtollError("invalid_argument", `cannot unpack the archive: it has the name ${header.name}`);
      }
      const name = parts.pop();
      if (name === undefined) continue;
      const directory = [path, ...parts.map(textOf)].join("/");
      const own = { ...header, ...owner };
      if (header.type === "directory") {
        const { mode, uid, gid, mtime } = own;
        const like = { name, type: "directory", mode, uid, gid, mtime, sizeBytes: 0, link: "" } as const;
        yield* this.#directory(`${directory}/${textOf(name)}`, like);
        continue;
      }
      yield* this.#directory(directory, undefined);
      const place = this.#places.get(directory) ?? "";
      const inLayer = (relative: string) => (place === "" ? relative : `${bytesOf(place)}/${relative}`);
      if (header.type === "hardlink") {
        const top = bytesOf((await placeIn(this.#target.below, path)).path);
        yield tarHeader({ ...own, name: inLayer(name), link: top === "" ? header.link : `${top}/${header.link}` });
        continue;
      }
      yield tarHeader({ ...own, name: inLayer(name) });
      yield* body;
      yield padding(header.sizeBytes);
    }
  }

  async #isDirectory(path: string): Promise<boolean> {
    const { below } = this.#target;
    const place = await placeIn(below, path);
    return place.exists && (await lstat(join(below, place.path))).isDirectory();
  }
}

const plain: TarHeader = {
  name: "",
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 946_684_800,
  link: "",
  major: 0,
  minor: 0,
  records: new Map(),
};

/** A file's content as an archive, when it is one. @throws AtollError unsupported for a compression that is not known */
async function archiveOf(tree: SourceTree, entry: TreeEntry): Promise<AsyncIterable<Buffer> | undefined> {
  const first = await beginning(tree.open(entry), 512);
  const magic = first.toString("hex", 0, 6);
  if (magic.startsWith("425a68") || magic === "fd377a585a00") {
    const hint = "Compress it with gzip or zstd, or unpack it with RUN.";
    throw new AtollError("unsupported", `cannot unpack ${textOf(entry.name)}: it is compressed with bzip2 or xz`, hint);
  }
  const open = () => decompressed(tree.open(entry), magic);
  const header = await beginning(open(), 512).catch(() => Buffer.alloc(0));
  return header.toString("latin1", 257, 262) === "ustar" ? open() : undefined;
}

async function beginning(source: AsyncIterable<Buffer>, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= length) break;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

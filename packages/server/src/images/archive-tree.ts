/** An uploaded archive as a tree to copy from. Its files are found in it by their offsets; nothing is unpacked. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { AtollError } from "../error.ts";
import { readTar, TarError } from "../layers/tar.ts";
import { bytesOf, type SourceTree, type TreeEntry } from "./source-tree.ts";

const mostEntries = 500_000;
const mostLinks = 40;

type Indexed = TreeEntry & { readonly offset: number };

/** A tree whose entries are all known: an archive's, or a list of files kept elsewhere. */
export class IndexedTree<Entry extends TreeEntry = TreeEntry> implements SourceTree {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #open: (entry: Entry) => AsyncIterable<Buffer>;
  readonly #children = new Map<string, TreeEntry[]>();

  /** @param entries by name, with all directories that lead to them, and the root as "" */
  constructor(entries: ReadonlyMap<string, Entry>, open: (entry: Entry) => AsyncIterable<Buffer>) {
    this.#entries = entries;
    this.#open = open;
    for (const name of [...entries.keys()].sort()) {
      const entry = entries.get(name);
      if (!entry || name === "") continue;
      const siblings = this.#children.get(parentOf(name));
      if (siblings) siblings.push(entry);
      else this.#children.set(parentOf(name), [entry]);
    }
  }

  async at(name: string): Promise<TreeEntry | undefined> {
    const ahead = name.split("/").filter((part) => part !== "");
    let found: string[] = [];
    for (let links = 0; ; ) {
      const part = ahead.shift();
      if (part === undefined) return this.#entries.get(found.join("/"));
      if (part === "" || part === ".") continue;
      if (part === "..") {
        found.pop();
        continue;
      }
      const entry = this.#entries.get([...found, part].join("/"));
      if (!entry) return undefined;
      if (entry.type !== "symlink") {
        found.push(part);
        continue;
      }
      links += 1;
      if (links > mostLinks) return undefined;
      if (entry.link.startsWith("/")) found = [];
      ahead.unshift(...entry.link.split("/"));
    }
  }

  async children({ name }: TreeEntry): Promise<readonly TreeEntry[]> {
    return this.#children.get(name) ?? [];
  }

  open({ name }: TreeEntry): AsyncIterable<Buffer> {
    const entry = this.#entries.get(name);
    return entry && entry.sizeBytes > 0 ? this.#open(entry) : nothing();
  }
}

/**
 * Reads an archive's index; its files are read where they are.
 * @throws AtollError invalid_argument for what is no archive, or has what cannot be copied
 */
export async function archiveTree(file: string, signal: AbortSignal): Promise<SourceTree> {
  const entries = new Map<string, Indexed>([["", directory("")]]);
  try {
    for await (const { header, body, offset } of readTar(createReadStream(file, { signal }))) {
      const name = relativeName(header.name);
      if (entries.size > mostEntries) throw refused(`it has more than ${mostEntries} entries`);
      const { type } = header;
      if (type !== "file" && type !== "directory" && type !== "symlink") throw refused(`it has a ${type}`);
      for (let way = parentOf(name); !entries.has(way); way = parentOf(way)) entries.set(way, directory(way));
      const { mode, uid, gid, sizeBytes, mtime, link } = header;
      const hash = createHash("sha256");
      if (type === "file") for await (const piece of body) hash.update(piece);
      const digest = type === "file" ? hash.digest("hex") : undefined;
      entries.set(name, { name, type, mode, uid, gid, sizeBytes, mtime, link, offset, digest });
    }
  } catch (error) {
    if (error instanceof TarError) throw refused(error.message);
    throw error;
  }
  return new IndexedTree(entries, ({ offset, sizeBytes }) =>
    createReadStream(file, { start: offset, end: offset + sizeBytes - 1 }),
  );
}

/** Files that are kept one by one, such as a mount of the Modal dialect: a tree of theirs. */
export function fileListTree(
  files: readonly {
    readonly path: string;
    readonly mode: number;
    readonly sizeBytes: number;
    readonly digest: string;
  }[],
  open: (digest: string) => AsyncIterable<Buffer>,
): SourceTree {
  const entries = new Map<string, Indexed>([["", directory("")]]);
  for (const { path, mode, sizeBytes, digest } of files) {
    const name = relativeName(bytesOf(path));
    for (let way = parentOf(name); !entries.has(way); way = parentOf(way)) entries.set(way, directory(way));
    entries.set(name, { ...directory(name), type: "file", mode: mode & 0o7777, sizeBytes, digest });
  }
  return new IndexedTree(entries, ({ digest = "" }) => open(digest));
}

/** Files whose content is at hand. */
export function inlineTree(files: readonly { readonly name: string; readonly content: string }[]): SourceTree {
  const contents = new Map(files.map(({ name, content }) => [name, Buffer.from(content)]));
  const listed = [...contents].map(([path, { length }]) => ({ path, mode: 0o644, sizeBytes: length, digest: path }));
  return fileListTree(listed, (name) => oneBuffer(contents.get(name) ?? Buffer.alloc(0)));
}

async function* oneBuffer(buffer: Buffer): AsyncGenerator<Buffer> {
  yield buffer;
}

async function* nothing(): AsyncGenerator<Buffer> {
  yield* [];
}

function directory(name: string): Indexed {
  const owner = { uid: 0, gid: 0, sizeBytes: 0, mtime: 946_684_800, link: "", offset: 0 };
  return { name, type: "directory", mode: 0o755, ...owner };
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

function relativeName(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused("it has a name that leaves it");
  return parts.join("/");
}

function refused(why: string): AtollError {
  return new AtollError("invalid_argument", `cannot use the context: ${why}`, "Upload a plain tar archive.");
}

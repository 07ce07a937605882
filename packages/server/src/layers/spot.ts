/**
 * Paths below a directory whose content is hostile and may change at any moment. Each part of a path is opened by itself, beneath the one before
 * it, and the kernel follows no link: links are followed here, as inside, so none leads out. `/proc/self/fd/N` is the open
 * directory N, whatever has become of its name.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readlink } from "node:fs/promises";

const mostLinks = 40;
/** O_PATH of Linux, which Node does not name: nothing is read, and no device or FIFO is opened. */
const pathOnly = 0o10000000;
const directoryFlags = pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export interface FindOptions {
  /** Whether a link at the end of the path is followed. */
  readonly follow: boolean;
  /** Make the directories on the way that are missing. */
  readonly parents?: boolean;
}

export class FileSystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** A name in a directory that is held open. */
export class Spot implements AsyncDisposable {
  readonly #opened: AsyncDisposableStack;
  readonly #chain: readonly FileHandle[];
  /** `.` for the root. */
  readonly name: string;
  /** From the root, without any link in it and without a leading slash. */
  readonly path: string;
  /** Of what was there, not of what a link leads to; undefined when there was nothing. */
  readonly stats: Stats | undefined;

  private constructor(
    opened: AsyncDisposableStack,
    chain: readonly FileHandle[],
    names: readonly string[],
    name: string,
    stats: Stats | undefined,
  ) {
    this.#opened = opened.move();
    this.#chain = chain;
    this.name = name;
    this.path = (name === "." ? names : [...names, name]).join("/");
    this.stats = stats;
  }

  /** @throws an error with the `code` of an errno: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG */
  static async find(root: string, path: string, { follow, parents = false }: FindOptions): Promise<Spot> {
    await using opened = new AsyncDisposableStack();
    const hold = (handle: FileHandle) => opened.use(handle);
    let chain = [hold(await open(root, directoryFlags))];
    let names: string[] = [];
    let links = 0;
    const ahead = path.split("/");
    for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        names.pop();
        if (chain.length > 1) chain = chain.slice(0, -1);
        continue;
      }
      const isLast = ahead.every((rest) => rest === "" || rest === ".");
      const stats = await statsOf(childOf(chain, name));
      if (stats?.isSymbolicLink() && (!isLast || follow)) {
        links += 1;
        if (links > mostLinks) throw new FileSystemError("ELOOP");
        const target = await readlink(childOf(chain, name));
        if (target.startsWith("/")) [chain, names] = [chain.slice(0, 1), []];
        ahead.unshift(...target.split("/"));
        continue;
      }
      if (isLast) return new Spot(opened, chain, names, name, stats);
      if (stats === undefined && !parents) throw new FileSystemError("ENOENT");
      if (stats === undefined) await makeDirectory(childOf(chain, name));
      chain = [...chain, hold(await open(childOf(chain, name), directoryFlags))];
      names = [...names, name];
    }
    return new Spot(opened, chain, names, ".", await lstat(childOf(chain, ".")));
  }

  /** The directory it is in. */
  get parent(): FileHandle {
    return lastOf(this.#chain);
  }

  /** As system calls may be given it: only the last part can be anything but what was found. */
  get place(): string {
    return childOf(this.#chain, this.name);
  }

  /** @throws when it is not there any more, or no directory */
  openDirectory(): Promise<FileHandle> {
    return open(this.place, directoryFlags);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** A name in an open directory; names need not be UTF-8. */
export function childPath(directory: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory.fd}/`), name]);
}

/** Opens a directory that was listed. */
export function openChild(directory: FileHandle, name: Buffer): Promise<FileHandle> {
  return open(childPath(directory, name), directoryFlags);
}

function childOf(chain: readonly FileHandle[], name: string): string {
  return `/proc/self/fd/${lastOf(chain).fd}/${name}`;
}

function lastOf(chain: readonly FileHandle[]): FileHandle {
  const last = chain.at(-1);
  if (!last) throw new Error("a path starts at its root");
  return last;
}

async function statsOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** Another may have made it at the same moment. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

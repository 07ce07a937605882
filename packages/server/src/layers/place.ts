/** Paths in a tree that a sandbox has written: links in it are followed as inside the sandbox, never on this machine. */
import { chmod, chown, lstat, mkdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";

const mostLinks = 40;

type Kind = "link" | "file" | "directory";

export interface Place {
  /** Without any link in it, and without a leading slash; empty for the root. */
  readonly path: string;
  readonly exists: boolean;
}

/**
 * Follows a path below `root`, which nobody changes meanwhile. What does not exist is taken literally.
 * @throws AtollError invalid_argument for a loop of links, or when a part of the way is a file
 */
export async function placeIn(root: string, path: string): Promise<Place> {
  const ahead = path.split("/");
  let found: string[] = [];
  let exists = true;
  let links = 0;
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      found.pop();
      continue;
    }
    const entry: Kind | undefined = exists ? await entryOf(join(root, ...found, name)) : undefined;
    if (entry === "link") {
      links += 1;
      if (links > mostLinks) throw new AtollError("invalid_argument", `cannot follow ${path}: too many links`);
      const target = await readlink(join(root, ...found, name));
      if (target.startsWith("/")) found = [];
      ahead.unshift(...target.split("/"));
      continue;
    }
    if (entry === "file" && ahead.some((rest) => rest !== "" && rest !== ".")) {
      throw new AtollError("invalid_argument", `cannot use ${path}: /${[...found, name].join("/")} is not a directory`);
    }
    exists = entry !== undefined;
    found.push(name);
  }
  return { path: found.join("/"), exists };
}

async function entryOf(path: string): Promise<Kind | undefined> {
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink()) return "link";
    return found.isDirectory() ? "directory" : "file";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Makes a directory in a new layer with all that lead to it. Those that the stack below has keep their owner and mode: the
 * upper one counts.
 * @param path as `placeIn` gave it
 */
export async function makeDirectories(layer: string, below: string, path: string): Promise<void> {
  const parts = path.split("/").filter((part) => part !== "");
  for (let depth = 0; depth <= parts.length; depth += 1) {
    const way = parts.slice(0, depth).join("/");
    const target = join(layer, way);
    if (depth > 0) await mkdir(target, { mode: 0o755 });
    const like = await lstat(join(below, way)).catch(() => undefined);
    if (!like?.isDirectory()) continue;
    await chown(target, like.uid, like.gid);
    await chmod(target, like.mode & 0o7777);
  }
}

/** The layers of another stage, mounted, as a tree to copy from. */
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { placeIn } from "../layers/place.ts";
import { bytesOf, type SourceTree, type TreeEntry, textOf } from "./source-tree.ts";

export class MountedTree implements SourceTree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async at(name: string): Promise<TreeEntry | undefined> {
    const place = await placeIn(this.#root, textOf(name));
    return place.exists ? this.#entry(bytesOf(place.path)) : undefined;
  }

  async children({ name }: TreeEntry): Promise<readonly TreeEntry[]> {
    const names = (await readdir(this.#path(name), { encoding: "latin1" })).sort();
    const entries = await Promise.all(names.map((child) => this.#entry(name === "" ? child : `${name}/${child}`)));
    return entries.flatMap((entry) => entry ?? []);
  }

  open({ name }: TreeEntry): AsyncIterable<Buffer> {
    return createReadStream(this.#path(name));
  }

  /** Undefined for pipes, sockets and devices: nobody copies them. */
  async #entry(name: string): Promise<TreeEntry | undefined> {
    const path = this.#path(name);
    const found = await lstat(path);
    const type = found.isFile() ? "file" : found.isDirectory() ? "directory" : found.isSymbolicLink() ? "symlink" : "";
    if (type === "") return undefined;
    return {
      name,
      type,
      mode: found.mode & 0o7777,
      uid: found.uid,
      gid: found.gid,
      sizeBytes: type === "file" ? found.size : 0,
      mtime: Math.floor(found.mtimeMs / 1000),
      link: type === "symlink" ? await readlink(path, { encoding: "latin1" }) : "",
    };
  }

  #path(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(name, "latin1")]);
  }
}

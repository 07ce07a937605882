/** Directories told of file by file, whose contents were uploaded one by one: lists, kept among the contents. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { type Static, Type } from "typebox";
import { Check } from "typebox/value";
import { AtollError } from "../error.ts";
import { fileListTree } from "./archive-tree.ts";
import type { Contents } from "./contents.ts";
import type { SourceTree } from "./source-tree.ts";

export interface ListedFile {
  /** From the root of what the list is of. */
  readonly path: string;
  readonly mode: number;
  /** Of its content. */
  readonly digest: string;
}

/** Callers name lists by their digest, so that what one is read from may be anything they uploaded. */
const List = Type.Array(
  Type.Object({
    path: Type.String(),
    mode: Type.Integer({ minimum: 0 }),
    digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
    sizeBytes: Type.Integer({ minimum: 0 }),
  }),
);
type Entry = Static<typeof List>[number];
const mostListBytes = 64 * 1024 ** 2;

export class FileLists {
  readonly #contents: Contents;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  /**
   * Equal lists are one, in whatever order they come; of files at one path the last counts.
   * @returns the list's digest
   * @throws AtollError not_found when a content is not there
   */
  async put(files: readonly ListedFile[], signal: AbortSignal): Promise<string> {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const entries: Entry[] = [];
    for (const path of [...byPath.keys()].sort()) {
      const file = byPath.get(path);
      if (!file) continue;
      const { mode, digest } = file;
      const { sizeBytes } = await this.#contents.get(digest);
      entries.push({ path, mode, digest, sizeBytes });
    }
    const list = Buffer.from(JSON.stringify(entries));
    const digest = `sha256:${createHash("sha256").update(list).digest("hex")}`;
    if (!(await this.#contents.has(digest))) await this.#contents.put(digest, Readable.from([list]), signal);
    return digest;
  }

  /** What a list has; keeps all of it for another while. @throws AtollError not_found */
  async files(list: string): Promise<readonly ListedFile[]> {
    return await this.#entries(list);
  }

  /** A list as a tree to copy from. @throws AtollError not_found, invalid_argument */
  async tree(list: string): Promise<SourceTree> {
    const entries = await this.#entries(list);
    for (const { digest } of entries) await this.#contents.get(digest);
    return fileListTree(entries, (digest) => this.#contents.readLater(digest));
  }

  async #entries(list: string): Promise<Entry[]> {
    const { sizeBytes } = await this.#contents.get(list);
    const bytes = sizeBytes > mostListBytes ? [] : await Array.fromAsync(await this.#contents.read(list));
    const entries = parsed(Buffer.concat(bytes).toString());
    if (Check(List, entries)) return entries;
    throw new AtollError("invalid_argument", `cannot use ${list} as a list of files: it is something else`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

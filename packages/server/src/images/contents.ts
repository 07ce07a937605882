/** Archives and files that clients have uploaded, named by their digest. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, utimesSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ImageContent } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import { archiveTree } from "./archive-tree.ts";
import type { SourceTree } from "./source-tree.ts";

const mostStepBytes = 4 * 1024 ** 3;
const mostTrees = 8;
/** After its last use: long enough for the build that it was uploaded for. */
const keptMs = 24 * 3_600_000;
const expiryMs = 3_600_000;

export class Contents {
  readonly #directory: string;
  /** Indexes of archives, the newest last. */
  readonly #trees = new Map<string, SourceTree>();
  #expiredAt = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws AtollError invalid_argument when the bytes have another digest, payload_too_large */
  async put(
    digest: string,
    source: AsyncIterable<Buffer>,
    signal: AbortSignal,
    mostBytes = mostStepBytes,
  ): Promise<ImageContent> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const partial = join(this.#directory, `${randomText(12)}.partial`);
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const counted = async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        sizeBytes += piece.length;
        if (sizeBytes > mostBytes)
          throw new AtollError("payload_too_large", `cannot take more than ${mostBytes} bytes at once`);
        hash.update(piece);
        yield piece;
      }
    };
    try {
      // On the disk before it has its name: a machine that stops in between leaves no name for half of it.
      await pipeline(source, counted, createWriteStream(partial, { mode: 0o600, flush: true }), { signal });
      const found = `sha256:${hash.digest("hex")}`;
      if (found !== digest)
        throw new AtollError("invalid_argument", `cannot take what was sent as ${digest}: its digest is ${found}`);
      await rename(partial, this.#path(digest));
    } finally {
      await rm(partial, { force: true });
    }
    return { digest, sizeBytes };
  }

  /** Also keeps it for another day. @throws AtollError not_found */
  async get(digest: string): Promise<ImageContent> {
    try {
      const { size } = await stat(this.#path(digest));
      utimesSync(this.#path(digest), new Date(), new Date());
      return { digest, sizeBytes: size };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new AtollError("not_found", `cannot find the content ${digest}`, "Upload it, and try again.");
    }
  }

  /** As `get`, for who does not need it to be there. */
  async has(digest: string): Promise<boolean> {
    try {
      await this.get(digest);
      return true;
    } catch (error) {
      if (error instanceof AtollError && error.code === "not_found") return false;
      throw error;
    }
  }

  /** An archive as a tree to copy from. @throws AtollError not_found, invalid_argument */
  async tree(digest: string, signal: AbortSignal): Promise<SourceTree> {
    await this.get(digest);
    const known = this.#trees.get(digest);
    if (known) return known;
    const tree = await archiveTree(this.#path(digest), signal);
    this.#trees.set(digest, tree);
    const [oldest] = this.#trees.keys();
    if (this.#trees.size > mostTrees && oldest !== undefined) this.#trees.delete(oldest);
    return tree;
  }

  async read(digest: string): Promise<AsyncIterable<Buffer>> {
    await this.get(digest);
    return createReadStream(this.#path(digest));
  }

  /** Opens it once somebody begins to read. */
  async *readLater(digest: string): AsyncGenerator<Buffer> {
    yield* await this.read(digest);
  }

  /** Removes those that no build needs any more; looks no more than once an hour. */
  async expire(now: number): Promise<void> {
    if (now - this.#expiredAt < expiryMs) return;
    this.#expiredAt = now;
    for (const path of await this.strays(now)) await rm(path, { force: true });
  }

  /** Paths of those that no build needs any more. */
  async strays(now: number): Promise<string[]> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    const paths = names.map((name) => join(this.#directory, name));
    const ages = await Promise.all(paths.map((path) => ageOf(path, now)));
    return paths.filter((_, index) => (ages[index] ?? 0) > keptMs);
  }

  #path(digest: string): string {
    return join(this.#directory, `${digest.slice("sha256:".length)}.tar`);
  }
}

/** 0 for what has gone meanwhile. */
async function ageOf(path: string, now: number): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found ? now - found.mtimeMs : 0;
}

/** What builds wrote, kept by the id of the image that they made, or failed to make. */
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ImageLogEntry } from "@atoll/protocol";

const suffix = ".jsonl";
/** How long it is told how a build failed. */
const keptMs = 24 * 3_600_000;

export class BuildLogs {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(imageId: string, entries: readonly ImageLogEntry[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const partial = `${this.#path(imageId)}.partial`;
    try {
      await writeFile(partial, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""), { mode: 0o600 });
      await rename(partial, this.#path(imageId));
    } finally {
      await rm(partial, { force: true });
    }
  }

  async has(imageId: string): Promise<boolean> {
    return stat(this.#path(imageId)).then(
      () => true,
      () => false,
    );
  }

  async *read(imageId: string, after: number): AsyncGenerator<ImageLogEntry> {
    for await (const line of createInterface({ input: createReadStream(this.#path(imageId)) })) {
      const entry = JSON.parse(line) as ImageLogEntry;
      if (entry.entry > after) yield entry;
    }
  }

  /** Paths of those whose image is not there, but for builds that failed lately. */
  async strays(imageIds: ReadonlySet<string>, now: number): Promise<string[]> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    const paths = names
      .filter((name) => !imageIds.has(name.slice(0, -suffix.length)))
      .map((name) => join(this.#directory, name));
    const ages = await Promise.all(paths.map((path) => stat(path).then(({ mtimeMs }) => now - mtimeMs)));
    return paths.filter((_, index) => (ages[index] ?? 0) > keptMs);
  }

  #path(imageId: string): string {
    return join(this.#directory, `${imageId}${suffix}`);
  }
}

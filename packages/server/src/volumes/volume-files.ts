import type { FileEntry, Volume } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { systemError } from "../files/file-error.ts";
import { copyFiles, renameFile } from "../layers/copy-tree.ts";
import {
  listFiles,
  makeDirectory,
  openFile,
  type PutOptions,
  putFile,
  removeFile,
  statFile,
} from "../layers/file-tree.ts";
import { packTree, unpackTree } from "../layers/tree-archive.ts";
import { overLimit, type Volumes } from "./volumes.ts";

/**
 * Operations on the files of a volume from outside of sandboxes. Each shows the volume as it is committed, and each change is a commit of its own.
 * All throw AtollError: not_found for the volume, the codes of `fileError` for what is in it.
 */
export class VolumeFiles {
  readonly #volumes: Volumes;

  constructor(volumes: Volumes) {
    this.#volumes = volumes;
  }

  async stat(volume: string, path: string, follow: boolean, signal: AbortSignal): Promise<FileEntry> {
    await using view = await this.#volumes.view(volume, signal);
    return await told(`look at ${path}`, () => statFile(view.root, path, follow));
  }

  /** In groups as they come; of a file, the file itself. */
  async *list(volume: string, path: string, recursive: boolean, signal: AbortSignal): AsyncGenerator<FileEntry[]> {
    await using view = await this.#volumes.view(volume, signal);
    yield* toldOf(`list ${path}`, listFiles(view.root, path, recursive));
  }

  /** @param length bytes at most; undefined for all. What is returned must be iterated, or be told to return. */
  async read(volume: string, path: string, offset: number, length: number | undefined, signal: AbortSignal) {
    await using opened = new AsyncDisposableStack();
    const view = opened.use(await this.#volumes.view(volume, signal));
    const file = opened.use(await told(`read ${path}`, () => openFile(view.root, path)));
    const kept = opened.move();
    const source = async function* (): AsyncGenerator<Buffer> {
      await using _ = kept;
      yield* toldOf(`read ${path}`, file.read(offset, length));
    };
    return { sizeBytes: file.sizeBytes, source: source() };
  }

  /** A directory or a file as a tar archive. */
  async *pack(volume: string, path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    await using view = await this.#volumes.view(volume, signal);
    yield* toldOf(`pack ${path}`, packTree(view.root, path));
  }

  /** Puts a file in place of what is there. */
  async write(
    volume: string,
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: PutOptions,
    signal: AbortSignal,
  ): Promise<FileEntry> {
    let entry: FileEntry | undefined;
    await this.#change(volume, `write ${path}`, signal, async (root) => {
      entry = await putFile(root, path, this.#bounded(volume, source), options);
    });
    if (!entry) throw new Error("a file that was written is there");
    return entry;
  }

  /** Puts many files in one commit. */
  async writeMany(
    volume: string,
    files: Iterable<{ readonly path: string; readonly mode?: number; read(): AsyncIterable<Uint8Array> }>,
    exclusive: boolean,
    signal: AbortSignal,
  ): Promise<Volume> {
    return await this.#change(volume, "write the files", signal, async (root) => {
      for (const { path, mode, read } of files) {
        await told(`write ${path}`, () => putFile(root, path, this.#bounded(volume, read()), { mode, exclusive }));
      }
    });
  }

  /** Puts what an archive holds into a directory, in one commit. */
  unpack(volume: string, path: string, archive: AsyncIterable<Buffer>, exclusive: boolean, signal: AbortSignal) {
    const source = this.#bounded(volume, archive);
    return this.#change(volume, `unpack into ${path}`, signal, (root) => unpackTree(root, path, source, exclusive));
  }

  makeDirectory(volume: string, path: string, mode: number, parents: boolean, signal: AbortSignal): Promise<Volume> {
    const doing = `make the directory ${path}`;
    return this.#change(volume, doing, signal, (root) => makeDirectory(root, path, mode, parents));
  }

  remove(volume: string, path: string, recursive: boolean, signal: AbortSignal): Promise<Volume> {
    return this.#change(volume, `remove ${path}`, signal, (root) => removeFile(root, path, recursive));
  }

  rename(volume: string, from: string, to: string, overwrite: boolean, signal: AbortSignal): Promise<Volume> {
    const doing = `rename ${from} to ${to}`;
    return this.#change(volume, doing, signal, (root) => renameFile(root, from, to, overwrite));
  }

  /** As cp(1): into `to` when that is a directory, else under that very name. */
  copy(volume: string, from: readonly string[], to: string, recursive: boolean, signal: AbortSignal): Promise<Volume> {
    const doing = `copy ${from.join(", ")} to ${to}`;
    return this.#change(volume, doing, signal, (root) => copyFiles(root, from, to, recursive));
  }

  /** A commit that would make the volume larger than it may be is refused; this keeps a single stream from filling the machine's disk before. */
  async *#bounded<T extends Uint8Array>(given: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    const row = this.#volumes.row(given);
    const limitBytes = this.#volumes.limitOf(row) ?? Number.POSITIVE_INFINITY;
    let bytes = 0;
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > limitBytes) throw overLimit(row, limitBytes);
      yield piece;
    }
  }

  #change(volume: string, doing: string, signal: AbortSignal, use: (root: string) => Promise<void>): Promise<Volume> {
    const act = async (root: string) => {
      signal.throwIfAborted();
      await told(doing, () => use(root));
    };
    return this.#volumes.change(volume, act, signal);
  }
}

async function told<T>(doing: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw volumeError(error, doing);
  }
}

async function* toldOf<T>(doing: string, source: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw volumeError(error, doing);
  }
}

/** What the system says, in a caller's terms; anything else is as it was. */
export function volumeError(error: unknown, doing: string): unknown {
  if (error instanceof AtollError) return error;
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return error;
  if (code !== "ENOSPC") return systemError(code, doing);
  return new AtollError(
    "no_space",
    `cannot ${doing}: the machine's disk is full, or a shared volume is at its limit`,
    "Free space below the state directory, or remove files from the volume.",
  );
}

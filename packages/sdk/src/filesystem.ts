/** Files of a sandbox: `sandbox.fs`. */
import { type ByteSource, bytesOf, outgoing } from "./byte-source.ts";
import type { Client } from "./client.ts";
import { InvalidError, SandboxFilesystemNotADirectoryError, SandboxFilesystemNotFoundError } from "./errors.ts";
import { FileWatcher } from "./file-watcher.ts";
import type { FileEntry, FileEventType, Operations } from "./generated/api.ts";
import { jsonLines } from "./json-lines.ts";
import { decodeUtf8 } from "./line-block.ts";

export type { ByteSource };

export interface FileOptions {
  /** Acts as this user of the sandbox: NAME, UID, NAME:GROUP or UID:GID; root when absent. */
  readonly user?: string | undefined;
  /** Ends the call and, inside the sandbox, what it does. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadFileOptions extends FileOptions {
  /** First byte wanted; 0 when absent. */
  readonly offset?: number | undefined;
  /** Most bytes wanted; all when absent. */
  readonly length?: number | undefined;
}

export interface WriteFileOptions extends FileOptions {
  /** Readers see the old file until the new one is complete; costs a flush to the disk. */
  readonly atomic?: boolean | undefined;
  /** Write at the end of what is there. */
  readonly append?: boolean | undefined;
  /** Fail when it exists. */
  readonly exclusive?: boolean | undefined;
  /** Make the directories it lies in; true when absent. */
  readonly parents?: boolean | undefined;
  /** Permission bits such as 0o755; those it has, or 0o644 for a new file, when absent. */
  readonly mode?: number | undefined;
}

export interface WatchOptions extends FileOptions {
  /** Everything below the directory too. */
  readonly recursive?: boolean | undefined;
  /** Only these; all when absent. */
  readonly types?: readonly FileEventType[] | undefined;
}

export interface CopyOptions extends FileOptions {
  /** Called as bytes are passed on, with how many so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

type WriteQuery = Operations["writeFile"]["query"];

const defaultMaxBytes = 256 * 2 ** 20;

/**
 * Operations on files, run inside the sandbox: they need nothing of its image. Paths are absolute. Each fails with a
 * `SandboxFilesystemError` whose class says why.
 */
export class SandboxFilesystem {
  readonly #client: Client;
  readonly #params: { readonly sandboxId: string };

  /** Made by `Sandbox`; use its `fs`. */
  constructor(client: Client, sandboxId: string) {
    this.#client = client;
    this.#params = { sandboxId };
  }

  /** The file as text. Invalid UTF-8 becomes U+FFFD. */
  async readText(path: string, options: ReadFileOptions & { readonly maxBytes?: number } = {}): Promise<string> {
    return decodeUtf8(await this.readBytes(path, options));
  }

  /** The file as bytes; `maxBytes` of them at most, 256 MiB when absent. */
  async readBytes(path: string, options: ReadFileOptions & { readonly maxBytes?: number } = {}): Promise<Uint8Array> {
    const { maxBytes = defaultMaxBytes, ...rest } = options;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of await this.readStream(path, rest)) {
      length += piece.length;
      if (length > maxBytes) throw tooLarge(path, maxBytes);
      pieces.push(piece);
    }
    return joined(pieces, length);
  }

  /** The file as it is read; nothing is read ahead of you but a few pieces. */
  async readStream(path: string, options: ReadFileOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const { signal, ...query } = options;
    const { body } = await this.#client.open("readFile", {
      params: this.#params,
      query: { path, ...query },
      signal,
    });
    return body ?? new Blob([]).stream();
  }

  /** Writes text as UTF-8; what was there before is gone. */
  writeText(path: string, text: string, options: WriteFileOptions = {}): Promise<FileEntry> {
    return this.writeBytes(path, bytesOf(text), options);
  }

  async writeBytes(path: string, bytes: Uint8Array, options: WriteFileOptions = {}): Promise<FileEntry> {
    return await this.put(path, bytes, writeQuery(options), options.signal);
  }

  /** Writes what comes, as it comes, and settles once all of it is in the file. It is not tried again after a lost connection. */
  async writeStream(path: string, source: ByteSource, options: WriteFileOptions = {}): Promise<FileEntry> {
    const { stream, failure } = outgoing(source);
    try {
      return await this.put(path, stream, writeQuery(options), options.signal);
    } catch (error) {
      throw failure(error);
    }
  }

  /** @internal The request itself. Appending twice, or making what was made, is not the same as doing it once. */
  put(
    path: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    query: Omit<WriteQuery, "path">,
    signal: AbortSignal | undefined,
  ): Promise<FileEntry> {
    const isOnce = query.how === "append" || query.how === "exclusive" ? true : undefined;
    return this.#client.request("writeFile", {
      params: this.#params,
      query: { path, ...query },
      body,
      signal,
      isOnce,
    });
  }

  /** What is in a directory, in the order of names; with `recursive`, a directory before what is in it. */
  async list(path: string, options: FileOptions & { readonly recursive?: boolean } = {}): Promise<FileEntry[]> {
    const found: FileEntry[] = [];
    for await (const entry of this.entries(path, options)) found.push(entry);
    return found;
  }

  /** As `list`, one by one as they come. */
  async *entries(
    path: string,
    options: FileOptions & { readonly recursive?: boolean } = {},
  ): AsyncGenerator<FileEntry, void, undefined> {
    const { signal, ...query } = options;
    const { body } = await this.#client.open("listFiles", { params: this.#params, query: { path, ...query }, signal });
    if (body) yield* jsonLines<FileEntry>(body);
  }

  /** What is known of it; with `follow: false`, of a link itself. */
  stat(path: string, options: FileOptions & { readonly follow?: boolean } = {}): Promise<FileEntry> {
    const { signal, ...query } = options;
    return this.#client.request("statFile", { params: this.#params, query: { path, ...query }, signal });
  }

  /** Whether something is there; false for a link that leads nowhere. */
  async exists(path: string, options: FileOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      const isMissing =
        error instanceof SandboxFilesystemNotFoundError || error instanceof SandboxFilesystemNotADirectoryError;
      if (isMissing) return false;
      throw error;
    }
  }

  /** Makes a directory; with `parents`, those it lies in too, and it may exist. */
  async mkdir(
    path: string,
    options: FileOptions & { readonly parents?: boolean; readonly mode?: number } = {},
  ): Promise<void> {
    const { signal, ...rest } = options;
    await this.#client.request("makeDirectory", { params: this.#params, body: { path, ...rest }, signal });
  }

  /** Removes a file, a link, or an empty directory; with `recursive`, a directory and everything below it. */
  async remove(path: string, options: FileOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    const { signal, ...query } = options;
    await this.#client.request("removeFile", { params: this.#params, query: { path, ...query }, signal });
  }

  /** Renames it; what has the new name already is replaced, unless `overwrite` is false. */
  async rename(path: string, to: string, options: FileOptions & { readonly overwrite?: boolean } = {}): Promise<void> {
    const { signal, ...rest } = options;
    await this.#client.request("renameFile", { params: this.#params, body: { path, to, ...rest }, signal });
  }

  /** @param mode permission bits, such as 0o755 */
  async chmod(path: string, mode: number, options: FileOptions = {}): Promise<void> {
    const { signal, ...rest } = options;
    await this.#client.request("changeFileMode", { params: this.#params, body: { path, mode, ...rest }, signal });
  }

  /** Settles once it is watched: every change from then on is told. */
  async watch(path: string, options: WatchOptions = {}): Promise<FileWatcher> {
    const { signal, types, ...query } = options;
    const abort = new AbortController();
    const ends = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
    const input = { params: this.#params, query: { path, ...query, type: types }, signal: ends };
    const { body } = await this.#client.open("watchFiles", input);
    return new FileWatcher(body ?? new Blob([]).stream(), abort);
  }

  /** A directory and what is below it, or a file, as a tar archive. */
  async readArchive(path: string, options: FileOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const { signal, ...query } = options;
    const { body } = await this.#client.open("readArchive", {
      params: this.#params,
      query: { path, ...query },
      signal,
    });
    return body ?? new Blob([]).stream();
  }

  /** Extracts a tar archive into a directory, which is made if missing. With `owners`, files go to the users it names. */
  async writeArchive(
    path: string,
    archive: ByteSource,
    options: FileOptions & { readonly owners?: boolean } = {},
  ): Promise<void> {
    const { signal, ...rest } = options;
    const { stream, failure } = outgoing(archive);
    try {
      const input = { params: this.#params, query: { path, ...rest }, body: stream, signal };
      await this.#client.request("writeArchive", input);
    } catch (error) {
      throw failure(error);
    }
  }

  /** Copies a file, or a directory with all that is in it, from this machine to `path`. In Node, Bun and Deno. */
  async copyFromLocal(local: string, path: string, options: CopyOptions = {}): Promise<void> {
    const { copyFromLocal } = await import("./local-files.ts");
    await copyFromLocal(this, local, path, options);
  }

  /** Copies a file, or a directory with all that is in it, to this machine. In Node, Bun and Deno. */
  async copyToLocal(path: string, local: string, options: CopyOptions = {}): Promise<void> {
    const { copyToLocal } = await import("./local-files.ts");
    await copyToLocal(this, path, local, options);
  }
}

/** Pure. */
function writeQuery(options: WriteFileOptions): Omit<WriteQuery, "path"> {
  const { atomic, append, exclusive, parents = true, mode, user } = options;
  const chosen = [atomic && "replace", append && "append", exclusive && "exclusive"].filter(Boolean);
  if (chosen.length > 1) {
    throw new InvalidError("cannot write a file in two ways at once", {
      code: "invalid_argument",
      hint: "Give one of atomic, append and exclusive.",
    });
  }
  const [how = "truncate"] = chosen as NonNullable<WriteQuery["how"]>[];
  return { how, parents, mode, user };
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function tooLarge(path: string, maxBytes: number): InvalidError {
  return new InvalidError(`cannot hold more than ${maxBytes} bytes of ${path} in memory`, {
    code: "output_too_large",
    hint: "Read it with readStream, or raise maxBytes.",
  });
}

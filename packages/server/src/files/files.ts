import type { FileEntry, FileEvent, FileEventType } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { Operation } from "../processes/operation.ts";
import { reach } from "../sandboxes/reach.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import { fileEntry, fileEvent } from "./file-entry.ts";
import { fileError } from "./file-error.ts";
import { notUnderstood, Records } from "./records.ts";

/** Which file, of which sandbox, as which user. */
export interface FileTarget {
  readonly sandboxId: string;
  /** Absolute, of the sandbox. */
  readonly path: string;
  /** As in an OCI image; root when absent. */
  readonly user?: string | undefined;
}

export interface WriteOptions {
  readonly how: "truncate" | "replace" | "exclusive" | "append" | "update" | "existing";
  /** First byte written; with `update` and `existing`. */
  readonly offset: number;
  /** Whether directories on the way to it are made. */
  readonly parents: boolean;
  /** Permission bits; undefined leaves those of an existing file, and gives a new one 0644. */
  readonly mode?: number | undefined;
}

type Words = readonly (string | number | boolean)[];

/**
 * Operations on files of sandboxes. Each runs inside its sandbox, in init's own program, so no link and no race in there leads out. All throw
 * AtollError with the codes of `fileError`, and not_found, sandbox_finished, capacity and unavailable; what they return as an iterable must be
 * iterated, or the signal aborted.
 */
export class Files {
  readonly #sandboxes: Sandboxes;
  readonly #stopping: AbortSignal;

  constructor(sandboxes: Sandboxes, stopping: AbortSignal) {
    this.#sandboxes = sandboxes;
    this.#stopping = stopping;
  }

  /** @param length bytes at most; undefined for all */
  async read(target: FileTarget, offset: number, length: number | undefined, signal: AbortSignal) {
    const run = await this.#begin(target, `read ${target.path}`, ["read", target.path, offset, length ?? -1], signal);
    const source = run.bytes();
    const records = new Records();
    for (let entry: Buffer[] | undefined; ; ) {
      const { done, value } = await source.next();
      if (done) throw (await run.failure()) ?? notUnderstood();
      [entry] = records.take(value, 1);
      if (entry) return { entry: fileEntry(entry), source: behind(records.rest, source, run) };
    }
  }

  /** Writes what comes, as it comes, and answers with what the file then is. */
  async write(target: FileTarget, options: WriteOptions, body: AsyncIterable<Buffer>, signal: AbortSignal) {
    const { how, offset, parents, mode } = options;
    const words = ["write", target.path, how, offset, mode ?? -1, parents];
    const run = await this.#begin(target, `write ${target.path}`, words, signal, true);
    return await run.feed(body, () => this.#oneEntry(run));
  }

  async stat(target: FileTarget, follows: boolean, signal: AbortSignal): Promise<FileEntry> {
    const run = await this.#begin(target, `look at ${target.path}`, ["stat", target.path, follows], signal);
    return await this.#oneEntry(run);
  }

  /** What is in a directory, in groups as they come. */
  async *list(target: FileTarget, recursive: boolean, signal: AbortSignal): AsyncGenerator<FileEntry[]> {
    const run = await this.#begin(target, `list ${target.path}`, ["list", target.path, recursive], signal);
    for await (const found of run.records()) yield found.map((record) => fileEntry(record, target.path));
  }

  async makeDirectory(target: FileTarget, mode: number, parents: boolean, signal: AbortSignal): Promise<void> {
    await this.#act(target, `make the directory ${target.path}`, ["mkdir", target.path, mode, parents], signal);
  }

  async remove(target: FileTarget, recursive: boolean, signal: AbortSignal): Promise<void> {
    await this.#act(target, `remove ${target.path}`, ["remove", target.path, recursive], signal);
  }

  async rename(target: FileTarget, to: string, overwrite: boolean, signal: AbortSignal): Promise<void> {
    await this.#act(target, `rename ${target.path} to ${to}`, ["rename", target.path, to, overwrite], signal);
  }

  async changeMode(target: FileTarget, mode: number, signal: AbortSignal): Promise<void> {
    await this.#act(target, `change the permissions of ${target.path}`, ["chmod", target.path, mode], signal);
  }

  /** A directory or a file as a tar archive. */
  async *pack(target: FileTarget, signal: AbortSignal): AsyncGenerator<Buffer> {
    const run = await this.#begin(target, `pack ${target.path}`, ["pack", target.path], signal);
    yield* run.bytes();
    await run.succeed();
  }

  /** @param owners whether files go to the users that the archive names */
  async unpack(
    target: FileTarget,
    owners: boolean,
    archive: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<void> {
    const words = ["unpack", target.path, owners];
    const run = await this.#begin(target, `unpack into ${target.path}`, words, signal, true);
    await run.feed(archive, () => run.succeed());
  }

  /**
   * Changes of a file or a directory in groups as they come; the first group, which may be empty, says that it is watched now. Ends when what is
   * watched is removed.
   * @param types those wanted; undefined for all
   */
  async *watch(
    target: FileTarget,
    recursive: boolean,
    types: readonly FileEventType[] | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<FileEvent[]> {
    const run = await this.#begin(target, `watch ${target.path}`, ["watch", target.path, recursive], signal);
    const isWanted = (event: FileEvent) => types?.includes(event.type) ?? true;
    for await (const found of run.records()) {
      yield found.flatMap((record) => fileEvent(record, target.path) ?? []).filter(isWanted);
    }
  }

  async #act(target: FileTarget, doing: string, words: Words, signal: AbortSignal): Promise<void> {
    const run = await this.#begin(target, doing, words, signal);
    await run.succeed();
  }

  async #oneEntry(run: Run): Promise<FileEntry> {
    const records = [];
    for await (const found of run.records()) records.push(...found);
    const [record] = records;
    if (record === undefined || records.length > 1) throw notUnderstood();
    return fileEntry(record);
  }

  async #begin(target: FileTarget, doing: string, words: Words, signal: AbortSignal, takesBytes = false): Promise<Run> {
    const limit = AbortSignal.any([signal, this.#stopping]);
    const live = await reach(this.#sandboxes, target.sandboxId, doing, limit);
    const spec = { words: words.map(wordOf), user: target.user ?? "", takesBytes };
    return new Run(live.processes.operations.start(spec, limit), doing, limit);
  }
}

function wordOf(word: string | number | boolean): string {
  return typeof word === "boolean" ? String(Number(word)) : String(word);
}

/** An operation under way, and what cannot be done when it fails. */
class Run {
  readonly #operation: Operation;
  readonly #doing: string;
  readonly #signal: AbortSignal;

  constructor(operation: Operation, doing: string, signal: AbortSignal) {
    this.#operation = operation;
    this.#doing = doing;
    this.#signal = signal;
  }

  /** Its stdout. Whoever stops early ends it. */
  async *bytes(): AsyncGenerator<Buffer> {
    try {
      yield* this.#operation.bytes(this.#signal);
    } catch (error) {
      this.#operation.kill();
      throw error;
    }
  }

  async *records(): AsyncGenerator<Buffer[][]> {
    const records = new Records();
    let isDone = false;
    try {
      for await (const bytes of this.#operation.bytes(this.#signal)) {
        const found = records.take(bytes);
        if (found.length > 0) yield found;
      }
      isDone = true;
    } finally {
      if (!isDone) this.#operation.kill();
    }
    await this.succeed();
    records.end();
  }

  /** Gives it its stdin while `result` is awaited. What it fails with tells more than that it took no more bytes. */
  async feed<T>(body: AsyncIterable<Buffer>, result: () => Promise<T>): Promise<T> {
    const fed = this.#operation.stdin.write(0, body, true, this.#signal).then(
      () => undefined,
      (error: unknown) => {
        const isRefused = error instanceof AtollError && error.code === "process_finished";
        // A body that ends early is no end of file: what was half done is undone.
        if (!isRefused) this.#operation.kill();
        return isRefused ? undefined : error;
      },
    );
    const outcome = await result().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ("value" in outcome) return outcome.value;
    throw (await this.#brokenBody(fed)) ?? outcome.error;
  }

  /** Settles once it has ended. @throws AtollError what it failed with */
  async succeed(): Promise<void> {
    const failure = await this.failure();
    if (failure) throw failure;
  }

  async failure(): Promise<AtollError | undefined> {
    const end = await this.#operation.over;
    this.#signal.throwIfAborted();
    return fileError(end, this.#doing);
  }

  /** Once the operation is over its stdin is closed, so that this is known soon unless the body stands still. */
  async #brokenBody(fed: Promise<unknown>): Promise<unknown> {
    return await Promise.race([fed, new Promise((resolve) => setImmediate(resolve, undefined))]);
  }
}

/** @param first bytes that came before those of `source` */
async function* behind(first: Buffer, source: AsyncGenerator<Buffer>, run: Run): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* source;
  await run.succeed();
}

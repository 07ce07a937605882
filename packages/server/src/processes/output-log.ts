import { mkdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { Change } from "../change.ts";
import { AtollError } from "../error.ts";
import { ByteWindow } from "./byte-window.ts";
import type { OutputBudget } from "./output-budget.ts";
import type { Mark, OutputTimes } from "./output-times.ts";

/** init holds at most this much that is not acknowledged (native/PROTOCOL.md), so no more can be waiting to be written. */
export const unacknowledgedBytes = 1024 * 1024;
/** Kept in memory behind the end for readers that follow it, and when nobody reads. */
const followedBytes = 1024 * 1024;
const unfollowedBytes = 16 * 1024;
const readBytes = 1024 * 1024;
const retryMs = 1000;

export interface OutputLogOptions {
  /** Bytes that the file already has. */
  readonly keptBytes: number;
  /** With this many bytes kept, no more are taken. */
  readonly limitBytes: number;
  readonly budget: OutputBudget;
  readonly times: OutputTimes;
  /** Everything below the offset is in the file, and init may forget it. */
  onKept(offset: number): void;
  /** The file cannot be written; it is tried again. */
  onWriteError(error: unknown): void;
}

/**
 * One output stream of a process: an append-only file whose bytes are known by their offset. Readers are cursors.
 *
 * Readers may see bytes before they are in the file: should the daemon die in between, init still has them and sends the
 * same bytes for the same offsets again.
 */
export class OutputLog {
  readonly changed = new Change();
  readonly #path: string;
  readonly #options: OutputLogOptions;
  readonly #window: ByteWindow;
  #kept: number;
  #end: number | undefined;
  /** How far the present connection has come; init can be told to forget nothing beyond it. */
  #seen: number;
  #readers = 0;
  #file: FileHandle | undefined;
  #writing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(path: string, options: OutputLogOptions) {
    this.#path = path;
    this.#options = options;
    this.#kept = options.keptBytes;
    this.#seen = options.keptBytes;
    this.#window = new ByteWindow(options.keptBytes);
    options.budget.use(options.keptBytes);
  }

  /** Bytes there are to read. */
  get length(): number {
    return this.#end ?? this.#window.end;
  }

  /** A connection begins: where init is to continue. It may send again what is not in the file yet. */
  resume(): number {
    this.#seen = this.#kept;
    return this.#kept;
  }

  get unwrittenBytes(): number {
    return this.#window.end - this.#kept;
  }

  /** Whether the stream has ended and all of it is in the file. */
  get isComplete(): boolean {
    return this.#end !== undefined && this.#kept >= this.#end;
  }

  /** Whether nothing more is taken, so that init holds the process back. */
  get isLimited(): boolean {
    const isFull = this.#kept >= this.#options.limitBytes || this.#options.budget.isExhausted;
    return (isFull || this.#retry !== undefined) && this.#end === undefined;
  }

  /**
   * Takes what init sent. What is already there is skipped, since init repeats itself after a reconnection.
   * @throws Error when bytes are missing in between or more come than init may send
   */
  append(offset: number, bytes: Buffer): void {
    const known = this.length - offset;
    if (known < 0) throw new Error(`output at ${offset} where ${this.length} was next`);
    this.#seen = offset + bytes.length;
    if (known < bytes.length) this.#takeFresh(bytes.subarray(known));
    else this.#acknowledge();
  }

  #takeFresh(fresh: Buffer): void {
    if (this.#end !== undefined) throw new Error("output after its end");
    if (this.unwrittenBytes + fresh.length > unacknowledgedBytes) throw new Error("more output than was asked for");
    this.#options.times.note(this.#window.end);
    this.#window.append(fresh);
    this.changed.announce();
    this.#write();
  }

  /** @throws Error when the end is not where the output ends */
  end(offset: number): void {
    if (offset !== this.length) throw new Error(`end of output at ${offset} where ${this.length} was next`);
    this.#end = offset;
    this.#afterWrite();
  }

  /** Ends the stream where it is: nothing more will come. What is not written by then is written, unless the log is full. */
  async finish(): Promise<void> {
    if (!this.isLimited) await this.#write();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#end = Math.min(this.length, this.#kept);
    this.#afterWrite();
  }

  /** Stops without an end, for a daemon that stops: init keeps the rest for the next one. */
  async suspend(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#writing;
    await this.#closeFile();
  }

  /**
   * Yields the bytes from an offset as they arrive, in pieces of at most 1 MiB, and returns at the end of the stream.
   * @param follow with false, returns at what there is now
   * @throws AtollError offset_out_of_range when the stream ended before the offset
   */
  async *read(offset: number, follow: boolean, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
    const now = follow ? Number.POSITIVE_INFINITY : this.length;
    let at = offset;
    let file: FileHandle | undefined;
    this.#readers += 1;
    try {
      while (true) {
        signal.throwIfAborted();
        const limit = Math.min(readBytes, now - at, (this.#end ?? Number.POSITIVE_INFINITY) - at);
        if (limit <= 0) return this.checkOffset(at);
        let piece = this.#fromMemory(at, limit);
        if (piece === undefined && at < this.#kept) {
          file ??= await open(this.#path, "r");
          piece = await readAt(file, at, Math.min(limit, this.#kept - at));
        }
        if (piece === undefined) await this.changed.next(signal);
        else {
          at += piece.length;
          yield piece;
        }
      }
    } finally {
      this.#readers -= 1;
      this.#trim();
      await file?.close();
    }
  }

  /** When its bytes came. */
  marks(): Promise<Mark[]> {
    return this.#options.times.marks();
  }

  /** @throws AtollError offset_out_of_range when the stream ended before the offset */
  checkOffset(offset: number): void {
    if (this.#end === undefined || offset <= this.#end) return;
    throw new AtollError("offset_out_of_range", `cannot read from offset ${offset}: the stream ended at ${this.#end}`);
  }

  #fromMemory(offset: number, mostBytes: number): Buffer | undefined {
    const pieces = this.#window.from(offset, mostBytes);
    return pieces.length > 1 ? Buffer.concat(pieces) : pieces[0];
  }

  /** One write at a time; what arrives meanwhile goes with the next. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.unwrittenBytes > 0 && !this.isLimited) await this.#writeOnce();
    } catch (error) {
      this.#options.onWriteError(error);
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#write();
      }, retryMs).unref();
    }
    this.#afterWrite();
  }

  async #writeOnce(): Promise<void> {
    this.#file ??= await this.#openFile();
    await this.#options.times.write();
    const pieces = this.#window.from(this.#kept, unacknowledgedBytes);
    const { bytesWritten } = await this.#file.writev(pieces);
    this.#kept += bytesWritten;
    this.#options.budget.use(bytesWritten);
    this.#trim();
    this.#acknowledge();
  }

  #acknowledge(): void {
    this.#options.onKept(Math.min(this.#kept, this.#seen));
  }

  #openFile(): Promise<FileHandle> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    return open(this.#path, "a", 0o600);
  }

  #afterWrite(): void {
    this.changed.announce();
    if (this.isComplete) this.#closeFile().catch(this.#options.onWriteError);
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #trim(): void {
    const behind = this.#readers > 0 ? followedBytes : unfollowedBytes;
    this.#window.dropBefore(Math.min(this.#kept, this.length - behind));
  }
}

async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, offset);
  if (bytesRead === 0) throw new AtollError("internal", `cannot read the output at ${offset}: the file is too short`);
  return buffer.subarray(0, bytesRead);
}

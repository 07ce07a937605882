/** An open file of a sandbox: a path, a position, and what was written and not yet sent. */
import { bytesOf } from "./byte-source.ts";
import { InvalidError } from "./errors.ts";
import type { FileOptions, SandboxFilesystem } from "./filesystem.ts";
import { decodeUtf8 } from "./line-block.ts";

export type FileMode = "r" | "w" | "a" | "x" | "r+" | "w+" | "a+" | "x+";
/** From the start, from the position, or from the end. */
export type Whence = "start" | "current" | "end";

/** Read or sent at once, unless more is asked for. */
const blockBytes = 256 * 1024;
const newline = 0x0a;

interface Access {
  readonly reads: boolean;
  readonly writes: boolean;
  readonly appends: boolean;
  readonly isText: boolean;
}

/** Opens it: makes, empties or looks at the file as the mode says. Used by `Sandbox.open`. */
export async function openFile(fs: SandboxFilesystem, path: string, mode: string, options: FileOptions) {
  const [, kind, ...rest] = /^([rwax])(\+?b?|b\+)$/.exec(mode) ?? [];
  if (kind === undefined) throw noSuchMode(mode);
  const both = rest[0]?.includes("+") === true;
  const access = {
    reads: kind === "r" || both,
    writes: kind !== "r" || both,
    appends: kind === "a",
    isText: !mode.includes("b"),
  };
  const { user, signal } = options;
  if (!access.writes) {
    await fs.readBytes(path, { length: 0, user, signal });
    return new SandboxFile(fs, path, access, user, 0);
  }
  const how = ({ r: "existing", w: "truncate", a: "append", x: "exclusive" } as const)[kind as "r"];
  const { size } = await fs.put(path, new Uint8Array(), { how, user }, signal);
  return new SandboxFile(fs, path, access, user, kind === "a" ? size : 0);
}

/**
 * Made by `Sandbox.open`. Nothing is kept open inside the sandbox: each call goes to the file that has the path then. Use one at a time: its
 * calls must be awaited.
 */
export class SandboxFile<Data extends string | Uint8Array> implements AsyncDisposable {
  readonly path: string;
  readonly #fs: SandboxFilesystem;
  readonly #access: Access;
  readonly #user: string | undefined;
  /** Of the next byte that is read or written. */
  #position: number;
  /** Bytes that were read and not given out; they begin at the position. */
  #ahead: Uint8Array = new Uint8Array();
  #written: Uint8Array[] = [];
  #writtenBytes = 0;
  #isClosed = false;

  constructor(fs: SandboxFilesystem, path: string, access: Access, user: string | undefined, position: number) {
    this.path = path;
    this.#fs = fs;
    this.#access = access;
    this.#user = user;
    this.#position = position;
  }

  /** Offset in bytes where reading or writing goes on. */
  get position(): number {
    return this.#position;
  }

  /**
   * What follows, to the end of the file or, with `length`, at most so many bytes; empty at the end. Text is not cut within a character, so a
   * few bytes more may be read.
   */
  async read(length?: number, options: FileOptions = {}): Promise<Data> {
    await this.#beginReading(options);
    const bytes = length === undefined ? await this.#readAll(options) : await this.#readSome(length, options);
    return this.#data(bytes);
  }

  /** The next line with its `\n`; empty at the end of the file. */
  async readLine(options: FileOptions = {}): Promise<Data> {
    await this.#beginReading(options);
    let searched = 0;
    for (;;) {
      const end = this.#ahead.indexOf(newline, searched);
      if (end >= 0) return this.#data(this.#takeAhead(end + 1));
      searched = this.#ahead.length;
      if (!(await this.#fetch(blockBytes, options))) return this.#data(this.#takeAhead(searched));
    }
  }

  /** All lines that follow, each with its `\n`. */
  async readLines(options: FileOptions = {}): Promise<Data[]> {
    const lines: Data[] = [];
    for (let line = await this.readLine(options); line.length > 0; line = await this.readLine(options))
      lines.push(line);
    return lines;
  }

  /** The lines that follow, each with its `\n`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Data, void, undefined> {
    for (let line = await this.readLine(); line.length > 0; line = await this.readLine()) yield line;
  }

  /** Writes at the position, with mode `a` at the end. Small pieces are sent together: by `flush`, `close`, `read` and `seek`. */
  async write(data: Data | string, options: FileOptions = {}): Promise<void> {
    this.#check("write to", this.#access.writes);
    const bytes = bytesOf(data);
    this.#ahead = new Uint8Array();
    this.#written.push(bytes.slice());
    this.#writtenBytes += bytes.length;
    this.#position += bytes.length;
    if (this.#writtenBytes >= blockBytes) await this.flush(options);
  }

  /** Moves the position, and answers with where it is then. */
  async seek(offset: number, whence: Whence = "start", options: FileOptions = {}): Promise<number> {
    await this.flush(options);
    const base = { start: async () => 0, current: async () => this.#position, end: () => this.#size(options) };
    const position = (await base[whence]()) + offset;
    if (!Number.isSafeInteger(position) || position < 0) throw beforeStart(this.path, position);
    this.#position = position;
    this.#ahead = new Uint8Array();
    return position;
  }

  /** Sends what was written; settles once it is in the file. What cannot be written is given up. */
  async flush(options: FileOptions = {}): Promise<void> {
    this.#check("use", true);
    if (this.#writtenBytes === 0) return;
    const bytes = joined(this.#written);
    const offset = this.#position - bytes.length;
    this.#written = [];
    this.#writtenBytes = 0;
    const query = this.#access.appends ? { how: "append" as const } : { how: "existing" as const, offset };
    const { size } = await this.#fs.put(this.path, bytes, { ...query, user: this.#user }, options.signal);
    if (this.#access.appends) this.#position = size;
  }

  /** Flushes; the file cannot be used after this. */
  async close(options: FileOptions = {}): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.flush(options);
    } finally {
      this.#isClosed = true;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #beginReading(options: FileOptions): Promise<void> {
    this.#check("read", this.#access.reads);
    await this.flush(options);
  }

  async #readAll(options: FileOptions): Promise<Uint8Array> {
    const offset = this.#position + this.#ahead.length;
    const rest = await this.#fs.readBytes(this.path, { offset, user: this.#user, signal: options.signal });
    this.#ahead = joined([this.#ahead, rest]);
    return this.#takeAhead(this.#ahead.length);
  }

  async #readSome(length: number, options: FileOptions): Promise<Uint8Array> {
    // Four bytes are the longest character of UTF-8.
    const wanted = this.#access.isText ? length + 3 : length;
    while (this.#ahead.length < wanted) {
      if (!(await this.#fetch(Math.max(blockBytes, wanted - this.#ahead.length), options))) break;
    }
    return this.#takeAhead(this.#access.isText ? characterEnd(this.#ahead, length) : length);
  }

  /** Reads more behind what was read; false at the end of the file. */
  async #fetch(length: number, options: FileOptions): Promise<boolean> {
    const offset = this.#position + this.#ahead.length;
    const more = await this.#fs.readBytes(this.path, { offset, length, user: this.#user, signal: options.signal });
    if (more.length > 0) this.#ahead = joined([this.#ahead, more]);
    return more.length > 0;
  }

  #takeAhead(length: number): Uint8Array {
    const taken = this.#ahead.slice(0, length);
    this.#ahead = this.#ahead.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }

  async #size(options: FileOptions): Promise<number> {
    return (await this.#fs.stat(this.path, { user: this.#user, signal: options.signal })).size;
  }

  #data(bytes: Uint8Array): Data {
    return (this.#access.isText ? decodeUtf8(bytes) : bytes) as Data;
  }

  #check(doing: string, isAllowed: boolean): void {
    if (this.#isClosed) {
      throw new InvalidError(`cannot ${doing} ${this.path}: it is closed`, {
        code: "file_closed",
        hint: "Open it again with sandbox.open.",
      });
    }
    if (isAllowed) return;
    throw new InvalidError(`cannot ${doing} ${this.path}: it was not opened for that`, {
      code: "invalid_argument",
      hint: 'Open it with a mode such as "r+".',
    });
  }
}

/** Pure: the first end of a character at or behind `length`. Bytes 10xxxxxx continue one. */
function characterEnd(bytes: Uint8Array, length: number): number {
  let end = Math.min(length, bytes.length);
  while (end < bytes.length && end < length + 3 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end += 1;
  return end;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only && pieces.length === 1) return only;
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function noSuchMode(mode: string): InvalidError {
  return new InvalidError(`cannot open a file with the mode ${JSON.stringify(mode)}`, {
    code: "invalid_argument",
    hint: "Use r, w, a or x, with + to read and write, with b for bytes.",
  });
}

function beforeStart(path: string, position: number): InvalidError {
  return new InvalidError(`cannot seek to ${position} in ${path}`, {
    code: "invalid_argument",
    hint: "The position counts bytes from the start of the file.",
  });
}

/**
 * The tar format of POSIX.1-2001 (pax), and GNU's long names: just what images consist of. Names are kept as the bytes they are,
 * one character a byte, because file names need not be UTF-8.
 */

const blockBytes = 512;
/** A header's own records: names, attributes. */
const mostRecordBytes = 1024 * 1024;

export type TarType = "file" | "hardlink" | "symlink" | "character" | "block" | "directory" | "fifo" | "other";

export interface TarHeader {
  readonly name: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Whole seconds since the epoch; a record `mtime` says it to the nanosecond. */
  readonly mtime: number;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  /** Further records of the pax format, such as SCHILY.xattr.*. */
  readonly records: ReadonlyMap<string, string>;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** Its content; what is not read is skipped. */
  readonly body: AsyncIterable<Buffer>;
  /** Where its content begins in the archive, in bytes. */
  readonly offset: number;
}

export class TarError extends Error {}

const types: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
const flags: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  other: "?",
};

/** Reads an archive to its end. @throws TarError when it is none, or is cut off */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const input = new Input(source);
  let records = new Map<string, string>();
  for (;;) {
    const block = await input.exactly(blockBytes);
    if (block === undefined) return;
    if (block.every((byte) => byte === 0)) return await input.drain();
    const header = headerOf(block, records);
    const flag = String.fromCharCode(block[156] ?? 0);
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
      const text = await recordText(input, header.sizeBytes);
      if (flag === "x") records = new Map([...records, ...paxRecords(text)]);
      if (flag === "L") records.set("path", text.replace(/\0.*$/s, ""));
      if (flag === "K") records.set("linkpath", text.replace(/\0.*$/s, ""));
      continue;
    }
    records = new Map();
    const body = new Body(input, header.sizeBytes);
    yield { header, body, offset: input.offset };
    await body.skip();
  }
}

async function recordText(input: Input, sizeBytes: number): Promise<string> {
  if (sizeBytes > mostRecordBytes) throw new TarError("a header is too long");
  const text = await input.exactly(padded(sizeBytes));
  if (text === undefined) throw new TarError("the archive is cut off");
  return text.subarray(0, sizeBytes).toString("latin1");
}

function headerOf(block: Buffer, records: ReadonlyMap<string, string>): TarHeader {
  let sum = 256; // the checksum field counts as eight spaces
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte;
  if (octal(block, 148, 8) !== sum) throw new TarError("a header has the wrong checksum");
  const isUstar = block.toString("latin1", 257, 262) === "ustar";
  const isPosix = isUstar && block[263] === 0x30;
  const prefix = isPosix ? field(block, 345, 155) : "";
  const plain = field(block, 0, 100);
  const left = new Map(records);
  const take = (key: string) => {
    const value = left.get(key);
    left.delete(key);
    return value;
  };
  const numeric = (key: string, otherwise: number) => {
    const value = Number(take(key) ?? otherwise);
    if (!Number.isFinite(value) || value < 0) throw new TarError("a header has a number that is none");
    return value;
  };
  const flag = String.fromCharCode(block[156] ?? 0);
  const name = take("path") ?? (prefix === "" ? plain : `${prefix}/${plain}`);
  const type = types[flag] ?? "other";
  const isSparse = flag === "S" || [...left.keys()].some((key) => key.startsWith("GNU.sparse"));
  return {
    name,
    // Archives older than ustar mark a directory by its name alone.
    type: isSparse ? "other" : type === "file" && name.endsWith("/") ? "directory" : type,
    mode: octal(block, 100, 8) & 0o7777,
    uid: numeric("uid", octal(block, 108, 8)),
    gid: numeric("gid", octal(block, 116, 8)),
    sizeBytes: numeric("size", octal(block, 124, 12)),
    mtime: octal(block, 136, 12),
    link: take("linkpath") ?? field(block, 157, 100),
    major: isUstar ? octal(block, 329, 8) : 0,
    minor: isUstar ? octal(block, 337, 8) : 0,
    records: left,
  };
}

function field(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits, or GNU's binary form for what does not fit. */
function octal(block: Buffer, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) {
    if (block[at] !== 0x80) return 0; // negative: a time before 1970
    return Number(BigInt(`0x${block.toString("hex", at + 1, at + length)}`));
  }
  const digits = field(block, at, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw new TarError("a header has a number that is none");
  return Number.parseInt(digits, 8);
}

function paxRecords(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(" ", at);
    const length = Number(text.slice(at, space));
    const record = text.slice(space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (!Number.isInteger(length) || length <= space - at || at + length > text.length || equals < 0)
      throw new TarError("a header has a broken record");
    found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return found;
}

/** The bytes of a header, with a pax header before it where a plain one cannot say it. */
export function tarHeader(header: TarHeader): Buffer {
  const records = new Map(header.records);
  if (header.name.length > 100) records.set("path", header.name);
  if (header.link.length > 100) records.set("linkpath", header.link);
  if (header.sizeBytes >= 8 ** 11) records.set("size", String(header.sizeBytes));
  if (header.uid >= 8 ** 7) records.set("uid", String(header.uid));
  if (header.gid >= 8 ** 7) records.set("gid", String(header.gid));
  const plain = plainHeader(header, flags[header.type]);
  if (records.size === 0) return plain;
  const text = Buffer.from([...records].map(paxRecord).join(""), "latin1");
  const before = { ...header, name: "PaxHeader", link: "", sizeBytes: text.length, mode: 0o644, major: 0, minor: 0 };
  return Buffer.concat([plainHeader(before, "x"), text, padding(text.length), plain]);
}

function paxRecord([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function plainHeader(header: TarHeader, flag: string): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(header.name.slice(0, 100), 0, "latin1");
  const number = (value: number, at: number, length: number) => {
    const digits = Math.floor(value).toString(8);
    block.write(digits.length < length ? digits.padStart(length - 1, "0") : "".padStart(length - 1, "0"), at, "latin1");
  };
  number(header.mode, 100, 8);
  number(header.uid, 108, 8);
  number(header.gid, 116, 8);
  number(header.sizeBytes, 124, 12);
  number(header.mtime, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write(header.link.slice(0, 100), 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  number(header.major, 329, 8);
  number(header.minor, 337, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padded(length: number): number {
  return Math.ceil(length / blockBytes) * blockBytes;
}

export function padding(length: number): Buffer {
  return Buffer.alloc(padded(length) - length);
}

export const tarEnd = Buffer.alloc(2 * blockBytes);

class Input {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes taken so far. */
  offset = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Some bytes, at most `length`; undefined at the end. */
  async some(length: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(piece.length);
    this.offset += piece.length;
    return piece;
  }

  /** @returns undefined when nothing is left. @throws TarError when less is left */
  async exactly(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece === undefined && pieces.length === 0) return undefined;
      if (piece === undefined) throw new TarError("the archive is cut off");
      pieces.push(piece);
      missing -= piece.length;
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  async drain(): Promise<void> {
    while ((await this.some(1024 * 1024)) !== undefined);
  }
}

class Body implements AsyncIterable<Buffer> {
  readonly #input: Input;
  #left: number;
  #pad: number;

  constructor(input: Input, sizeBytes: number) {
    this.#input = input;
    this.#left = sizeBytes;
    this.#pad = padded(sizeBytes) - sizeBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let piece = await this.#next(); piece; piece = await this.#next()) yield piece;
  }

  async skip(): Promise<void> {
    while (await this.#next());
    if (this.#pad > 0) await this.#input.exactly(this.#pad);
    this.#pad = 0;
  }

  async #next(): Promise<Buffer | undefined> {
    if (this.#left === 0) return undefined;
    const piece = await this.#input.some(this.#left);
    if (piece === undefined) throw new TarError("the archive is cut off");
    this.#left -= piece.length;
    return piece;
  }
}

/** Tar archives, as far as directories are carried in them: ustar with GNU's long names, and PAX names and sizes when reading. Pure. */
import { InvalidError } from "./errors.ts";

export interface TarEntry {
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly name: string;
  /** Where a link points. */
  readonly target: string;
  readonly mode: number;
  /** Bytes that follow. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const block = 512;
const mostNameBytes = 1024 * 1024;
const letters = { file: "0", hardlink: "1", symlink: "2", directory: "5", other: "6" } as const;
const types: { readonly [letter: string]: TarEntry["type"] } = {
  "": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function padding(size: number): Uint8Array {
  return new Uint8Array((block - (size % block)) % block);
}

export const archiveEnd: Uint8Array = new Uint8Array(2 * block);

/** What comes before an entry's bytes. Owner and group are 0. */
export function tarHeader(entry: TarEntry): Uint8Array[] {
  const name = encoder.encode(entry.name);
  const target = encoder.encode(entry.target);
  return [...longName("K", target), ...longName("L", name), header(letters[entry.type], name, target, entry)];
}

function longName(letter: string, name: Uint8Array): Uint8Array[] {
  if (name.length <= 100) return [];
  const size = name.length + 1;
  const about = header(letter, encoder.encode("././@LongLink"), new Uint8Array(), { mode: 0, mtime: 0, size });
  return [about, name, new Uint8Array(1), padding(size)];
}

type Numbers = Pick<TarEntry, "mode" | "size" | "mtime">;

function header(letter: string, name: Uint8Array, target: Uint8Array, { mode, size, mtime }: Numbers): Uint8Array {
  const bytes = new Uint8Array(block);
  bytes.set(name.subarray(0, 100));
  const numbers = [
    [100, 8, mode],
    [108, 8, 0],
    [116, 8, 0],
    [124, 12, size],
    [136, 12, Math.max(0, mtime)],
  ] as const;
  for (const [at, width, value] of numbers) bytes.set(numberField(width, value), at);
  bytes.set(encoder.encode(`        ${letter}`), 148);
  bytes.set(target.subarray(0, 100), 157);
  bytes.set(encoder.encode("ustar  "), 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.set(encoder.encode(`${sum.toString(8).padStart(6, "0")}\0`), 148);
  return bytes;
}

/** Octal, or behind 0x80 big-endian when it does not fit. */
function numberField(width: number, value: number): Uint8Array {
  const octal = Math.floor(value).toString(8);
  if (octal.length < width) return encoder.encode(octal.padStart(width - 1, "0"));
  const bytes = new Uint8Array(width);
  let rest = BigInt(Math.floor(value));
  for (let at = width - 1; at > 0; at -= 1, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  bytes[0] = 0x80;
  return bytes;
}

/** Reads an archive from a stream. What it holds may come from anyone: what is not as it should be is an `InvalidError`. */
export class TarReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #pending: Uint8Array = new Uint8Array();
  /** Bytes of the present entry not yet taken, and those that fill its last block up. */
  #left = 0;
  #fill = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next entry; undefined at the end. What is left of the one before is skipped. */
  async next(): Promise<TarEntry | undefined> {
    for await (const _ of this.bytes());
    const told: { name?: string; target?: string; size?: number; mtime?: number } = {};
    for (;;) {
      const bytes = await this.#block();
      if (!bytes) return undefined;
      const size = fieldNumber(bytes, 124, 12);
      const letter = text(bytes, 156, 1);
      if (letter === "L") told.name = cut(await this.#meta(size));
      else if (letter === "K") told.target = cut(await this.#meta(size));
      else if (letter === "x") Object.assign(told, paxOf(await this.#meta(size)));
      else if (letter === "g") await this.#meta(size);
      else return this.#begin(entryOf(bytes, letter, size, told));
    }
  }

  /** The bytes of the present entry, in pieces. */
  async *bytes(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const piece = await this.#some(this.#left);
      this.#left -= piece.length;
      yield piece;
    }
    if (this.#fill > 0) await this.#exactly(this.#fill);
    this.#fill = 0;
  }

  #begin(entry: TarEntry): TarEntry {
    this.#left = entry.size;
    this.#fill = padding(entry.size).length;
    return entry;
  }

  async #meta(size: number): Promise<Uint8Array> {
    if (size > mostNameBytes) throw broken();
    const bytes = await this.#exactly(size);
    await this.#exactly(padding(size).length);
    return bytes;
  }

  async #block(): Promise<Uint8Array | undefined> {
    const bytes = await this.#exactly(block);
    if (bytes.every((byte) => byte === 0)) return undefined;
    const sum = bytes.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    if (fieldNumber(bytes, 148, 8) !== sum) throw broken();
    return bytes;
  }

  async #exactly(size: number): Promise<Uint8Array> {
    const whole = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const piece = await this.#some(size - at);
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  async #some(most: number): Promise<Uint8Array> {
    while (this.#pending.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) throw broken();
      this.#pending = value;
    }
    const piece = this.#pending.subarray(0, most);
    this.#pending = this.#pending.subarray(piece.length);
    return piece;
  }
}

interface Told {
  readonly name?: string;
  readonly target?: string;
  readonly size?: number;
  readonly mtime?: number;
}

function entryOf(bytes: Uint8Array, letter: string, size: number, told: Told): TarEntry {
  const prefix = text(bytes, 257, 6) === "ustar" ? text(bytes, 345, 155) : "";
  const short = text(bytes, 0, 100);
  const name = told.name ?? (prefix ? `${prefix}/${short}` : short);
  const plain = types[letter] ?? "other";
  const type = plain === "file" && name.endsWith("/") ? "directory" : plain;
  return {
    type,
    name,
    target: told.target ?? text(bytes, 157, 100),
    mode: fieldNumber(bytes, 100, 8) & 0o7777,
    size: type === "file" ? (told.size ?? size) : 0,
    mtime: told.mtime ?? fieldNumber(bytes, 136, 12),
  };
}

/** "LENGTH KEY=VALUE\n" again and again. */
function paxOf(bytes: Uint8Array): Told {
  const told: Record<string, string | number> = {};
  const names: { readonly [key: string]: string } = { path: "name", linkpath: "target", size: "size", mtime: "mtime" };
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(decoder.decode(bytes.subarray(at, Math.max(at, space))));
    if (!(length > 0) || at + length > bytes.length) throw broken();
    const [key = "", ...value] = decoder.decode(bytes.subarray(space + 1, at + length - 1)).split("=");
    const name = names[key];
    if (name) told[name] = name === "size" || name === "mtime" ? decimal(value.join("=")) : value.join("=");
    at += length;
  }
  return told;
}

function decimal(given: string): number {
  const value = Math.floor(Number(given));
  if (!Number.isSafeInteger(value)) throw broken();
  return value;
}

function fieldNumber(bytes: Uint8Array, at: number, width: number): number {
  if ((bytes[at] ?? 0) >= 0x80) return bigEndian(bytes.subarray(at, at + width));
  const given = text(bytes, at, width).trim();
  if (!/^[0-7]*$/.test(given)) throw broken();
  return given === "" ? 0 : Number.parseInt(given, 8);
}

function bigEndian(bytes: Uint8Array): number {
  const isNegative = bytes[0] === 0xff;
  let value = isNegative ? -1n : 0n;
  for (const byte of bytes.subarray(1)) value = (value << 8n) | BigInt(byte);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw broken();
  return number;
}

function text(bytes: Uint8Array, at: number, width: number): string {
  return cut(bytes.subarray(at, at + width));
}

/** Up to the first NUL. */
function cut(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function broken(): InvalidError {
  return new InvalidError("cannot read the archive: it is broken or cut short", {
    code: "unexpected_response",
    hint: "Try again; if it stays so, the sandbox interferes with its own files.",
  });
}

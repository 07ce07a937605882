import { mkdirSync } from "node:fs";
import { constants, type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";

/** From this byte on, the output of a stream came at this instant or up to `resolutionMs` later. */
export interface Mark {
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const resolutionMs = 100;
/** Two doubles in little-endian order: offset and instant. */
const markBytes = 16;

/** Of the stream that is kept in this file. */
export function timesPath(output: string): string {
  return `${output}.times`;
}

/** When the bytes of an output stream came: a file of marks beside the stream's own. What ends soon after its beginning needs none. */
export class OutputTimes {
  readonly #path: string;
  readonly #first: Mark;
  #lastAt: number;
  #unwritten: Mark[] = [];

  /** @param startedAt of the process */
  constructor(path: string, startedAt: number) {
    this.#path = path;
    this.#first = { offset: 0, at: startedAt };
    this.#lastAt = startedAt;
  }

  /** Bytes came that begin at this offset. */
  note(offset: number): void {
    const at = Date.now();
    if (at - this.#lastAt < resolutionMs) return;
    this.#lastAt = at;
    this.#unwritten.push({ offset, at });
  }

  /** To be called before the bytes are written: marks of bytes that then are lost give way to later ones. */
  async write(): Promise<void> {
    const marks = this.#unwritten;
    if (marks.length === 0) return;
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    await using file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    await append(file, marks);
    this.#unwritten = this.#unwritten.slice(marks.length);
  }

  /** In the order of their offsets. */
  async marks(): Promise<Mark[]> {
    return inOrder([this.#first, ...marksIn(await contentOf(this.#path)), ...this.#unwritten]);
  }
}

/** A mark that was cut off by a full disk is written over. */
async function append(file: FileHandle, marks: readonly Mark[]): Promise<void> {
  const bytes = Buffer.allocUnsafe(marks.length * markBytes);
  for (const [index, { offset, at }] of marks.entries()) {
    bytes.writeDoubleLE(offset, index * markBytes);
    bytes.writeDoubleLE(at, index * markBytes + 8);
  }
  const { size } = await file.stat();
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, size - (size % markBytes));
  if (bytesWritten < bytes.length) throw new Error("cannot write the times of an output: the disk is full");
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

function marksIn(bytes: Buffer): Mark[] {
  const count = Math.floor(bytes.length / markBytes);
  return Array.from({ length: count }, (_, index) => ({
    offset: bytes.readDoubleLE(index * markBytes),
    at: bytes.readDoubleLE(index * markBytes + 8),
  }));
}

/** Pure: where bytes came a second time because a daemon died before they were written, the later mark counts. */
export function inOrder(marks: readonly Mark[]): Mark[] {
  const result: Mark[] = [];
  for (const mark of marks) {
    while (result.length > 1 && (result.at(-1)?.offset ?? 0) >= mark.offset) result.pop();
    result.push(mark);
  }
  return result;
}

/** Files that clients have open: a path, a mode and a position, kept in the store for as long as their sandbox. */

import type { FileEntry } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { Files } from "../../files/files.ts";
import { randomText } from "../../id.ts";
import type { OpenFileRow } from "../../store/rows.ts";
import type { OpenFilesTable } from "../../store/store.ts";
import { type Mode, modeOf } from "./mode.ts";

/** Of one sandbox, as open files of a process. */
const mostOpen = 1024;
/** Of one answer, as the clients know it. */
const mostReadBytes = 100 * 1024 * 1024;
const blockBytes = 64 * 1024;
const lineFeed = 10;
/** SeekWhence */
const whences = ["start", "position", "end"] as const;

/** Bytes of a file that are to be read. */
export interface Span {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

export class FileHandles {
  readonly #files: Files;
  readonly #table: OpenFilesTable;

  constructor(files: Files, table: OpenFilesTable) {
    this.#files = files;
    this.#table = table;
  }

  /** @returns the descriptor */
  async open(sandboxId: string, path: string, modeText: string, signal: AbortSignal): Promise<string> {
    const mode = modeOf(modeText);
    if (this.#table.count(sandboxId) >= mostOpen)
      throw new AtollError("capacity", `cannot open ${path}: ${mostOpen} files are open`, "Close some.");
    const entry = await this.#opened(sandboxId, path, mode, signal);
    const row = {
      id: `fd-${randomText(22)}`,
      sandboxId,
      path,
      mode: modeText,
      position: mode.appends ? entry.size : 0,
    };
    this.#table.put(row);
    return row.id;
  }

  async write(sandboxId: string, id: string, data: Buffer, signal: AbortSignal): Promise<void> {
    const row = this.#row(sandboxId, id);
    const { writes, appends } = modeOf(row.mode);
    if (!writes) throw new AtollError("invalid_argument", `cannot write to ${row.path}: it is open for reading`);
    const how = appends ? "append" : "existing";
    const options = { how, offset: appends ? 0 : row.position, parents: false } as const;
    const entry = await this.#files.write(row, options, only(data), signal);
    this.#moveTo(row, appends ? entry.size : row.position + data.length);
  }

  /** Takes what is at the position, and moves it behind. @param count bytes at most; undefined for all */
  async read(sandboxId: string, id: string, count: number | undefined, signal: AbortSignal): Promise<Span> {
    const row = this.#readable(sandboxId, id);
    const { size } = await this.#files.stat(row, true, signal);
    const length = Math.min(count ?? Number.POSITIVE_INFINITY, Math.max(0, size - row.position));
    return this.#span(row, length);
  }

  async readLine(sandboxId: string, id: string, signal: AbortSignal): Promise<Span> {
    const row = this.#readable(sandboxId, id);
    let length = 0;
    for (let isWhole = false; !isWhole && length <= mostReadBytes; ) {
      const { source } = await this.#files.read(row, row.position + length, blockBytes, signal);
      const block = Buffer.concat(await Array.fromAsync(source));
      const end = block.indexOf(lineFeed) + 1;
      isWhole = end > 0 || block.length < blockBytes;
      length += end > 0 ? end : block.length;
    }
    return this.#span(row, length);
  }

  async seek(sandboxId: string, id: string, offset: number, whence: number, signal: AbortSignal): Promise<void> {
    const row = this.#row(sandboxId, id);
    const from = whences[whence];
    const base = { start: 0, position: row.position, end: 0 }[from ?? "start"];
    const end = from === "end" ? (await this.#files.stat(row, true, signal)).size : base;
    if (from === undefined || end + offset < 0)
      throw new AtollError("invalid_argument", `cannot seek in ${row.path}: there is no such position`);
    this.#moveTo(row, end + offset);
  }

  /** What was written is in the file already. */
  flush(sandboxId: string, id: string): void {
    this.#row(sandboxId, id);
  }

  close(sandboxId: string, id: string): void {
    this.#table.remove(this.#row(sandboxId, id).id);
  }

  async #opened(sandboxId: string, path: string, { opening }: Mode, signal: AbortSignal): Promise<FileEntry> {
    const target = { sandboxId, path };
    if (opening) return await this.#files.write(target, { how: opening, offset: 0, parents: false }, only(), signal);
    const entry = await this.#files.stat(target, true, signal);
    if (entry.type !== "directory") return entry;
    throw new AtollError("is_a_directory", `cannot open ${path}: it is a directory`);
  }

  #readable(sandboxId: string, id: string): OpenFileRow {
    const row = this.#row(sandboxId, id);
    if (modeOf(row.mode).reads) return row;
    throw new AtollError("invalid_argument", `cannot read ${row.path}: it is open for writing`);
  }

  #row(sandboxId: string, id: string): OpenFileRow {
    const row = this.#table.get(id);
    if (row?.sandboxId === sandboxId) return row;
    throw new AtollError("invalid_argument", `cannot use the file ${id}: it is not open`);
  }

  #span(row: OpenFileRow, length: number): Span {
    if (length > mostReadBytes)
      throw new AtollError(
        "payload_too_large",
        `cannot read ${length} bytes of ${row.path} at once: ${mostReadBytes} are the most`,
      );
    this.#moveTo(row, row.position + length);
    return { path: row.path, offset: row.position, length };
  }

  #moveTo(row: OpenFileRow, position: number): void {
    this.#table.put({ ...row, position });
  }
}

async function* only(data: Buffer = Buffer.alloc(0)): AsyncGenerator<Buffer> {
  if (data.length > 0) yield data;
}

import type { FileEntry } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { Files, FileTarget } from "../../files/files.ts";
import { CallOutput, type ReadableOutput } from "./call-output.ts";

/** As the clients' documentation has it. */
const mostFileBytes = 5 * 1024 ** 3;
const smallBytes = 64 * 1024;

/**
 * The bytes of a file as the output of a process that has ended. A small file is held; a large one is read where it lies, from whatever offset and
 * only as fast as it is taken, so that it takes neither memory nor disk here.
 * @throws AtollError as Files.read, and payload_too_large
 */
export async function fileContent(files: Files, target: FileTarget, signal: AbortSignal) {
  const { entry, source } = await files.read(target, 0, smallBytes, signal);
  const output = new CallOutput();
  for await (const piece of source) output.append(piece);
  output.end();
  if (entry.size > mostFileBytes) {
    throw new AtollError("payload_too_large", `cannot read ${target.path}: it has more than ${mostFileBytes} bytes`);
  }
  return output.size < smallBytes ? output : new LargeFile(files, target, entry);
}

class LargeFile implements ReadableOutput {
  readonly size = 0;
  readonly #files: Files;
  readonly #target: FileTarget;
  readonly #first: FileEntry;

  constructor(files: Files, target: FileTarget, first: FileEntry) {
    this.#files = files;
    this.#target = target;
    this.#first = first;
  }

  async *read(offset: number, _isFollowing: boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { entry, source } = await this.#files.read(this.#target, offset, mostFileBytes - offset, signal);
    // Halves of two files would be neither.
    const isSame = entry.size === this.#first.size && entry.modifiedAt === this.#first.modifiedAt;
    if (offset > 0 && !isSame) {
      const why = "it was changed since the reading began";
      throw new AtollError("filesystem_error", `cannot go on reading ${this.#target.path}: ${why}`);
    }
    yield* source;
  }
}

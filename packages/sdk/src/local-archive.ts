/**
 * Files of this machine as a tar archive that is the same for the same content: owners are root and times
 * are fixed, so that a fresh checkout does not make a build run again.
 */
import type { Client } from "./client.ts";
import { InvalidError, NotFoundError } from "./errors.ts";
import type { TransferEvent } from "./image-events.ts";
import { archiveEnd, padding, tarHeader } from "./tar.ts";

export interface Archive {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Entry {
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly content: Uint8Array;
  readonly link: string;
}

/** 2000-01-01: zip and others cannot say times before 1980. */
const fixedTime = 946_684_800;
/** An archive is held in memory. */
const mostBytes = 1024 ** 3;
const nothing = new Uint8Array();

/** An archive of one file under another name. */
export async function fileArchive(local: string, name: string): Promise<Archive> {
  const { readFile, stat } = await fileSystem();
  const found = await stat(local);
  if (!found.isFile()) throw unusable(local, "it is not a file");
  return archiveOf([{ name, kind: "file", mode: modeOf(found.mode), content: await readFile(local), link: "" }]);
}

/**
 * An archive of what is in a directory, itself as `./`. Links stay links.
 * @param looksBelow whether ignored directories are looked into, because something in them may not be ignored
 */
export async function directoryArchive(
  local: string,
  ignore?: (path: string) => boolean,
  looksBelow = false,
): Promise<Archive> {
  const { readdir, readFile, lstat, readlink, stat } = await fileSystem();
  if (!(await stat(local)).isDirectory()) throw unusable(local, "it is not a directory");
  const entries: Entry[] = [{ name: "./", kind: "directory", mode: 0o755, content: nothing, link: "" }];
  let total = 0;
  async function visit(directory: string): Promise<void> {
    const names = (await readdir(`${local}/${directory}`)).sort();
    for (const name of names) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const isIgnored = ignore?.(path) ?? false;
      if (isIgnored && !looksBelow) continue;
      const found = await lstat(`${local}/${path}`);
      if (isIgnored && !found.isDirectory()) continue;
      const mode = modeOf(found.mode);
      if (found.isDirectory()) {
        const before = entries.length;
        await visit(path);
        if (isIgnored && entries.length === before) continue;
        entries.splice(before, 0, { name: `${path}/`, kind: "directory", mode, content: nothing, link: "" });
      } else if (found.isSymbolicLink()) {
        const link = await readlink(`${local}/${path}`);
        entries.push({ name: path, kind: "symlink", mode: 0o777, content: nothing, link });
      } else if (found.isFile()) {
        total += found.size;
        if (total > mostBytes) throw unusable(local, `it has more than ${mostBytes} bytes`);
        entries.push({ name: path, kind: "file", mode, content: await readFile(`${local}/${path}`), link: "" });
      }
    }
  }
  await visit("");
  return archiveOf(entries);
}

/** Uploads it unless the server has it. */
export async function upload(archive: Archive, client: Client, signal: AbortSignal | undefined): Promise<void> {
  const params = { digest: archive.digest };
  try {
    await client.request("getImageContent", { params, signal });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    await client.request("putImageContent", { params, body: archive.bytes, signal });
  }
}

/** Uploads a file as it is, unless the server has it. @returns its digest */
export async function uploadFile(
  path: string,
  client: Client,
  onEvent: ((event: TransferEvent) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { createHash } = await import("node:crypto");
  const { createReadStream } = await import("node:fs");
  const { stat } = await fileSystem();
  const { told } = await import("./local-files.ts");
  const found = await told("read", path, stat(path));
  if (!found.isFile()) throw unusable(path, "it is not a file");
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { signal })) hash.update(piece);
  const digest = `sha256:${hash.digest("hex")}`;
  try {
    await client.request("getImageContent", { params: { digest }, signal });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const { openAsBlob } = await import("node:fs");
    const body = (await openAsBlob(path)).stream().pipeThrough(watched(found.size, onEvent));
    await client.request("putImageContent", { params: { digest }, body, signal });
  }
  return digest;
}

function watched(of: number, onEvent: ((event: TransferEvent) => void) | undefined) {
  let bytes = 0;
  return new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(piece, controller) {
      bytes += piece.length;
      onEvent?.({ event: "progress", what: "uploading", bytes, of });
      controller.enqueue(piece);
    },
  });
}

async function archiveOf(entries: readonly Entry[]): Promise<Archive> {
  const parts = [...entries.flatMap(entryParts), archiveEnd];
  const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const digest = `sha256:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return { digest, bytes };
}

function entryParts({ name, kind: type, mode, content, link: target }: Entry): Uint8Array[] {
  const size = content.length;
  return [...tarHeader({ type, name, target, mode, size, mtime: fixedTime }), content, padding(size)];
}

function modeOf(mode: number): number {
  return mode & 0o777;
}

/** Loaded when needed: browsers have none. */
async function fileSystem() {
  return import("node:fs/promises");
}

function unusable(path: string, why: string): InvalidError {
  return new InvalidError(`cannot copy ${path} into an image: ${why}`, {
    code: "invalid_argument",
    hint: "Name a regular file with addLocalFile, a directory with addLocalDir.",
  });
}

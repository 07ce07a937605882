/**
 * Files of this machine as a tar archive (POSIX ustar and pax) that is the same for the same content: owners are root and times
 * are fixed, so that a fresh checkout does not make a build run again.
 */
import type { Client } from "./client.ts";
import { InvalidError, NotFoundError } from "./errors.ts";

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

const blockBytes = 512;
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

/** An archive of what is in a directory, itself as `./`. Links stay links. */
export async function directoryArchive(local: string, ignore?: (path: string) => boolean): Promise<Archive> {
  const { readdir, readFile, lstat, readlink, stat } = await fileSystem();
  if (!(await stat(local)).isDirectory()) throw unusable(local, "it is not a directory");
  const entries: Entry[] = [{ name: "./", kind: "directory", mode: 0o755, content: nothing, link: "" }];
  let total = 0;
  async function visit(directory: string): Promise<void> {
    const names = (await readdir(`${local}/${directory}`)).sort();
    for (const name of names) {
      const path = directory === "" ? name : `${directory}/${name}`;
      if (ignore?.(path)) continue;
      const found = await lstat(`${local}/${path}`);
      const mode = modeOf(found.mode);
      if (found.isDirectory()) {
        entries.push({ name: `${path}/`, kind: "directory", mode, content: nothing, link: "" });
        await visit(path);
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

async function archiveOf(entries: readonly Entry[]): Promise<Archive> {
  const parts = entries.flatMap(entryParts);
  parts.push(new Uint8Array(2 * blockBytes));
  const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const digest = `sha256:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return { digest, bytes };
}

function entryParts(entry: Entry): Uint8Array[] {
  const name = new TextEncoder().encode(entry.name);
  const link = new TextEncoder().encode(entry.link);
  const parts: Uint8Array[] = [];
  const records = [...record("path", entry.name, name), ...record("linkpath", entry.link, link)];
  if (records.length > 0) {
    const content = new Uint8Array(records);
    parts.push(header({ ...entry, mode: 0o644, content }, "x", new TextEncoder().encode("PaxHeader"), nothing));
    parts.push(content, padding(content.length));
  }
  const flag = { file: "0", directory: "5", symlink: "2" }[entry.kind];
  parts.push(header(entry, flag, name, link), entry.content, padding(entry.content.length));
  return parts;
}

/** A pax record for what has no room in a plain header: `LENGTH KEY=VALUE\n`, the length being that of all of it. */
function record(key: string, value: string, bytes: Uint8Array): number[] {
  if (bytes.length <= 100) return [];
  const rest = new TextEncoder().encode(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return [...new TextEncoder().encode(String(length)), ...rest];
}

function header(entry: Entry, flag: string, name: Uint8Array, link: Uint8Array): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (text: string, at: number) => block.set(new TextEncoder().encode(text), at);
  const number = (value: number, at: number, length: number) => put(value.toString(8).padStart(length - 1, "0"), at);
  block.set(name.subarray(0, 100), 0);
  number(entry.mode, 100, 8);
  number(0, 108, 8);
  number(0, 116, 8);
  number(entry.content.length, 124, 12);
  number(fixedTime, 136, 12);
  put("        ", 148);
  put(flag, 156);
  block.set(link.subarray(0, 100), 157);
  put("ustar\u000000", 257);
  put(
    block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0"),
    148,
  );
  block[154] = 0;
  return block;
}

function padding(length: number): Uint8Array {
  return new Uint8Array(Math.ceil(length / blockBytes) * blockBytes - length);
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

import { AtollError } from "../../error.ts";
import type { Files } from "../../files/files.ts";

/** Names by number, as the sandbox's own files have them. */
export interface Owners {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/** Of /etc/passwd and /etc/group; what lies behind has numbers only. */
const mostBytes = 256 * 1024;

export async function ownersOf(files: Files, sandboxId: string, signal: AbortSignal): Promise<Owners> {
  const names = async (path: string) => namesIn(await textOf(files, { sandboxId, path }, signal));
  const [users, groups] = await Promise.all([names("/etc/passwd"), names("/etc/group")]);
  return { users, groups };
}

/** Images need not have the file, and it is the sandbox's to spoil: the names are missing then, and nothing else. */
async function textOf(files: Files, target: { sandboxId: string; path: string }, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    const { source } = await files.read(target, 0, mostBytes, signal);
    for await (const piece of source) pieces.push(Buffer.from(piece));
  } catch (error) {
    if (!(error instanceof AtollError)) throw error;
    return "";
  }
  return Buffer.concat(pieces).toString();
}

/** Pure: lines of passwd(5) and group(5), which both begin NAME:PASSWORD:NUMBER. The first of a number counts. */
export function namesIn(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name = "", , number = ""] = line.split(":");
    if (name === "" || !/^\d{1,10}$/.test(number) || names.has(Number(number))) continue;
    names.set(Number(number), name);
  }
  return names;
}

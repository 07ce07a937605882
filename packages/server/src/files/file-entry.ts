import { isUtf8 } from "node:buffer";
import { posix } from "node:path";
import type { FileEntry, FileEvent } from "@atoll/protocol";
import { notUnderstood } from "./records.ts";

const types = {
  f: "file",
  d: "directory",
  l: "symlink",
  p: "fifo",
  s: "socket",
  b: "device",
  c: "device",
} as const satisfies Readonly<Record<string, FileEntry["type"]>>;

const pattern = /^([fdlpsbc]) (\d{1,4}) (\d{1,16}) (\d{1,10}) (\d{1,10}) (-?\d{1,15})\.(\d{9})$/;
/** What a Date can hold. */
const latestMs = 8.64e15;

/** Pure: an entry as init's program writes it. @param directory what its path is relative to; undefined for an absolute one */
export function fileEntry([head, path, target]: readonly Buffer[], directory?: string): FileEntry {
  const [, type, mode, size, uid, gid, seconds, nanoseconds] = pattern.exec(head?.toString("latin1") ?? "") ?? [];
  if (type === undefined || path === undefined || target === undefined) throw notUnderstood();
  const ms = Number(seconds) * 1000 + Math.floor(Number(nanoseconds) / 1e6);
  return {
    ...named(path, directory),
    type: types[type as keyof typeof types],
    size: Number(size),
    mode: Number(mode) & 0o7777,
    uid: Number(uid),
    gid: Number(gid),
    modifiedAt: new Date(Math.max(-latestMs, Math.min(latestMs, ms))).toISOString(),
    ...(target.length > 0 && { linkTarget: target.toString() }),
  };
}

function named(path: Buffer, directory: string | undefined): Pick<FileEntry, "name" | "path" | "pathBase64"> {
  const whole = directory === undefined ? path : below(directory, path);
  const text = whole.toString();
  return {
    name: posix.basename(text),
    path: text,
    ...(!isUtf8(path) && { pathBase64: whole.toString("base64") }),
  };
}

function below(directory: string, path: Buffer): Buffer {
  const slash = path.length === 0 || directory.endsWith("/") ? "" : "/";
  return Buffer.concat([Buffer.from(directory + slash), path]);
}

/** Pure: an event as init's program writes it; undefined for the first one, which says that it watches. */
export function fileEvent([kind, path, from]: readonly Buffer[], watched: string): FileEvent | undefined {
  if (kind === undefined || path === undefined || from === undefined) throw notUnderstood();
  const at = { path: below(watched, path).toString() };
  switch (kind.toString("latin1")) {
    case "ready":
      return undefined;
    case "create":
      return { type: "create", ...at };
    case "modify":
      return { type: "modify", ...at };
    case "remove":
      return { type: "remove", ...at };
    case "in":
      return { type: "create", ...at, moved: true };
    case "out":
      return { type: "remove", ...at, moved: true };
    case "rename":
      return { type: "rename", ...at, from: below(watched, from).toString() };
    case "overflow":
      return { type: "overflow", ...at };
    default:
      throw notUnderstood();
  }
}

import { posix } from "node:path";
import type { FileEntry, FileEvent } from "@atoll/protocol";
import type { Owners } from "./owners.ts";

/** The bits of st_mode that say what a file is: inode(7). */
const typeBits: Readonly<Record<FileEntry["type"], number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  device: 0o020000,
};

/** Pure. The clients know three types: what is none of them is a file. */
export function fileInfo(entry: FileEntry, { users, groups }: Owners) {
  const { name, path, type, size, mode, uid, gid, modifiedAt, linkTarget } = entry;
  return {
    name,
    path,
    type: type === "directory" || type === "symlink" ? type : "file",
    size,
    mode: typeBits[type] | mode,
    permissions: mode.toString(8).padStart(4, "0"),
    owner: users.get(uid) ?? String(uid),
    group: groups.get(gid) ?? String(gid),
    modified_time: Date.parse(modifiedAt) / 1000,
    ...(linkTarget !== undefined && { symlink_target: linkTarget }),
  };
}

/** Pure: an event in their words. A move from or to elsewhere is half of a rename. */
export function eventInfo({ type, path, from, moved }: FileEvent): { event_type: string; paths: string[] } {
  switch (type) {
    case "create":
      return { event_type: moved ? "RenameTo" : "Create", paths: [path] };
    case "remove":
      return { event_type: moved ? "RenameFrom" : "Remove", paths: [path] };
    case "rename":
      return { event_type: "Rename", paths: [from ?? posix.dirname(path), path] };
    case "modify":
      return { event_type: "Modify", paths: [path] };
    case "overflow":
      return { event_type: "Unknown", paths: [path] };
  }
}

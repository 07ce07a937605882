import { constants } from "node:os";
import type { ErrorCode } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { OperationEnd } from "../processes/operation.ts";

/** What each errno means to a caller: a code, and words. */
const meanings: Readonly<Partial<Record<string, readonly [ErrorCode, string]>>> = {
  ENOENT: ["file_not_found", "there is no such file or directory"],
  EISDIR: ["is_a_directory", "it is a directory"],
  ENOTDIR: ["not_a_directory", "it, or something on the way to it, is not a directory"],
  EEXIST: ["file_exists", "it exists"],
  EACCES: ["permission_denied", "the user may not do that"],
  EPERM: ["permission_denied", "the user may not do that"],
  ENOTEMPTY: ["not_empty", "the directory is not empty"],
  ENOSPC: ["no_space", "no space is left on the sandbox's disk"],
  EDQUOT: ["no_space", "no space is left on the sandbox's disk"],
  EROFS: ["read_only", "that part of the file system is read-only"],
  EINVAL: ["invalid_argument", "that cannot be done with it"],
  ENAMETOOLONG: ["invalid_argument", "the path is too long, or the tree too deep"],
  ELOOP: ["invalid_argument", "links lead in a circle"],
  EILSEQ: ["invalid_argument", "the file system does not take such a name"],
  ESPIPE: ["invalid_argument", "it has no offsets"],
  EXDEV: ["filesystem_error", "the two paths lie on different file systems"],
  EBUSY: ["filesystem_error", "it is in use by the system, such as a mount point"],
  ETXTBSY: ["filesystem_error", "it is a program that is running"],
  EFBIG: ["filesystem_error", "the file would become too large"],
  ESTALE: ["filesystem_error", "a file became shorter while it was read"],
  ENOMEM: ["capacity", "the sandbox has no memory left"],
  EAGAIN: ["capacity", "the sandbox has no room for another process"],
  EMFILE: ["capacity", "too many files are open"],
  ENFILE: ["capacity", "too many files are open"],
};

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
/** EDQUOT and EWOULDBLOCK have other names, or none, in Node's table. */
names.set(122, "EDQUOT").set(11, "EAGAIN");

/**
 * Pure: the failure that an end is, or undefined for success.
 * @param doing what cannot be done, such as "read /etc/motd"
 */
export function fileError(end: OperationEnd, doing: string): AtollError | undefined {
  if (end.kind === "lost") return end.error;
  if (end.kind === "not_started") return startError(end.errno, end.step, doing);
  if (end.status === 0) return undefined;
  const [, errno, step] = /(?:^|\n)(\d{1,4}) ([a-z]{1,16})\n$/.exec(end.said) ?? [];
  if (errno === undefined || step === undefined) return killed(end.status, doing);
  return stepError(Number(errno), step, doing);
}

function stepError(errno: number, step: string, doing: string): AtollError {
  if (step === "archive") {
    const why = "the archive is broken, cut short, or names something outside of the directory";
    return new AtollError("invalid_argument", `cannot ${doing}: ${why}`);
  }
  if (step === "watch" && names.get(errno) === "ENOSPC") {
    return new AtollError("capacity", `cannot ${doing}: no more can be watched (fs.inotify.max_user_watches)`);
  }
  return errnoError(errno, doing);
}

function errnoError(errno: number, doing: string): AtollError {
  return systemError(names.get(errno) ?? `errno ${errno}`, doing);
}

/** Pure. @param name of an errno, such as ENOENT */
export function systemError(name: string, doing: string): AtollError {
  const [code, words] = meanings[name] ?? ["filesystem_error" as const, `the system says ${name}`];
  return new AtollError(code, `cannot ${doing}: ${words}`);
}

function startError(errno: number, step: string, doing: string): AtollError {
  if (step === "user") return new AtollError("invalid_argument", `cannot ${doing}: the sandbox has no such user`);
  return errnoError(errno, doing);
}

/** status: waitpid(2)'s. */
function killed(status: number, doing: string): AtollError {
  const how = (status & 0x7f) === 0 ? `with exit code ${(status >> 8) & 0xff}` : `by signal ${status & 0x7f}`;
  return new AtollError(
    "filesystem_error",
    `cannot ${doing}: the operation was ended ${how} inside the sandbox`,
    "A process in the sandbox ended it, or its memory ran out.",
  );
}

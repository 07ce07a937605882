import { getSystemErrorName } from "node:util";
import { AtollError } from "../error.ts";

/** The launcher could not do what it was asked: which step failed, and how. */
export class LauncherError extends AtollError {
  /** What was being done, such as "exec /usr/bin/crun" or "mount point /proc". */
  readonly step: string;
  /** Such as "ENOENT". */
  readonly errno: string;

  constructor(what: string, errno: number, step: string) {
    const name = errnoName(errno);
    super("internal", `cannot ${what}: ${step || "launcher"}: ${name}`);
    this.step = step;
    this.errno = name;
  }
}

function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}

export function launcherLost(): AtollError {
  return new AtollError(
    "unavailable",
    "cannot reach the launcher any more: the connection ended",
    "Start the server again; `atoll status` shows whether it runs.",
  );
}

/** The launcher outlives the server; once no sandbox is left it has nothing to outlive it for. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stateDirectory } from "./state.ts";

/** The pid of the launcher of this state directory; undefined when none runs. */
export function runningLauncher(): number | undefined {
  const pid = Number(read(join(stateDirectory(), "run/launcher.pid"))?.trim());
  // The number may belong to another program by now; the launcher has its socket on its command line.
  const isLauncher = pid > 0 && read(`/proc/${pid}/cmdline`)?.includes(join(stateDirectory(), "run/launcher.sock"));
  return isLauncher ? pid : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

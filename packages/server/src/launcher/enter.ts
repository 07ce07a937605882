import { readlinkSync } from "node:fs";
import type { Launcher } from "./client.ts";

/**
 * The daemon has to see the mounts that the launcher made: its holders' root and its network namespaces. Unless it does, this replaces the
 * process by the same program inside the launcher's mount namespace, under the same process id, and does not return.
 */
export function enterLauncher(launcher: Launcher, binary: string, socketPath: string): void {
  if (readlinkSync("/proc/self/ns/mnt") === readlinkSync(`/proc/${launcher.pid}/ns/mnt`)) return;
  launcher.close();
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  if (process.execve === undefined)
    throw new Error("cannot enter the launcher's namespace: this Node has no process.execve");
  process.execve(binary, [binary, "enter", "--socket", socketPath, "--", ...program], process.env);
}

/** A disk that a test may fill. */
import { execFile } from "node:child_process";
import { statfsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { openDaemon } from "./daemon.ts";

const run = promisify(execFile);

/** A server whose state directory is on it. The server goes first: a file system that its disks lie on would hold itself in the kernel. */
export async function onSmallMachine(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "atoll-m-"));
  await chmod(directory, 0o711);
  const [file, machine] = [join(directory, "machine.ext4"), join(directory, "m")];
  await run("truncate", ["--size=2500M", file]);
  await run("mkfs.ext4", ["-q", "-F", file]);
  await run("mkdir", [machine]);
  await run("mount", ["-o", "loop", file, machine]);
  const remove = async () => {
    await run("umount", ["--lazy", machine]);
    await rm(directory, { recursive: true });
  };
  const server = await openDaemon(env, machine).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  t.after(() => server.remove().finally(remove));
  return { machine, server };
}

/** Bytes that can still be written. */
export function free(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

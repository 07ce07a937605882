/** A disk that a test may fill. */
import { execFile } from "node:child_process";
import { statfsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

/** @returns where it is mounted until the test is over */
export async function smallMachine(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "atoll-m-"));
  await chmod(directory, 0o711);
  const [file, point] = [join(directory, "machine.ext4"), join(directory, "m")];
  await run("truncate", ["--size=2500M", file]);
  await run("mkfs.ext4", ["-q", "-F", file]);
  await run("mkdir", [point]);
  await run("mount", ["-o", "loop", file, point]);
  t.after(async () => {
    await run("umount", ["--lazy", point]);
    await rm(directory, { recursive: true });
  });
  return point;
}

/** Bytes that can still be written. */
export function free(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

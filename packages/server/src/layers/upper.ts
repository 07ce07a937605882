/** What a running sandbox has written, taken from under it. */
import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AtollError } from "../error.ts";
import type { Launcher } from "../launcher/client.ts";

const stepLimitMs = 600_000;

/**
 * The disk is mounted a second time: the kernel has one instance of a file system however often it is mounted, so what is seen
 * is what the sandbox sees, written back or not. The caller keeps the sandbox from writing.
 * @param point a directory that does not exist
 * @param place what to copy of the disk
 */
export async function copyUpper(
  launcher: Launcher,
  disk: string,
  point: string,
  place: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const argv = ["cp", "--archive", "--no-target-directory", join(point, place), target];
  await withDisk(launcher, disk, point, () => run(launcher, argv, signal), signal);
}

/** Removes a directory of the disk that the sandbox does not see. */
export async function removeFromDisk(
  launcher: Launcher,
  disk: string,
  point: string,
  place: string,
  signal: AbortSignal,
): Promise<void> {
  const argv = ["rm", "-rf", "--one-file-system", "--", join(point, place)];
  await withDisk(launcher, disk, point, () => run(launcher, argv, signal), signal);
}

async function withDisk(
  launcher: Launcher,
  disk: string,
  point: string,
  use: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const device = await loopDevice(disk);
  await mkdir(point, { mode: 0o700 });
  try {
    await run(launcher, ["mount", "-t", "ext4", "-o", "nosuid,nodev", device, point], signal);
    await use();
  } finally {
    await letGoOfUpper(launcher, point);
  }
}

/** Ends a copy, also one that an earlier daemon did not end. */
export async function letGoOfUpper(launcher: Launcher, point: string): Promise<void> {
  if (!existsSync(point)) return;
  // Fails when it was not mounted yet. Lazily, because runtimes that start at this moment hold a copy of all mounts.
  await launcher.run(["umount", "--lazy", point], { timeoutMs: stepLimitMs });
  await rmdir(point);
}

/** @throws AtollError when the disk is attached to none */
export async function loopDevice(disk: string): Promise<string> {
  for (const name of await readdir("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    // The file is there while the device has a backing file.
    const backing = await readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => "");
    if (backing.trim() === disk) return `/dev/${name}`;
  }
  throw new AtollError("internal", "cannot find the sandbox's disk: it is not attached");
}

async function run(launcher: Launcher, argv: readonly string[], signal: AbortSignal): Promise<void> {
  const ended = await launcher.run(argv, { signal, timeoutMs: stepLimitMs });
  if (ended.exitCode === 0) return;
  const reason = ended.stderr.trim().split("\n").at(-1) ?? "";
  if (/No space left/.test(ended.stderr))
    throw new AtollError("capacity", "cannot copy what the sandbox wrote: the machine's disk is full");
  throw new AtollError("internal", `cannot copy what the sandbox wrote: ${argv[0]} failed: ${reason}`);
}

/**
 * Takes mount points that were made in the upper layer out of it again: empty directories and empty files. A whiteout stays: a
 * sandbox may have removed what its image had. A link on the way is the sandbox's own doing, and is not followed.
 */
export async function removeMountPoints(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const parent = dirname(join(directory, name));
    if (!(await lstat(parent).catch(() => undefined))?.isDirectory()) continue;
    const path = join(directory, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() && found.size === 0) await unlink(path);
    else if (found?.isDirectory() && (await readdir(path)).length === 0) await rmdir(path);
  }
}

/**
 * What a sandbox writes to, its own layer or its copy of a volume: a sparse file with an ext4 file system of exactly the size that the sandbox may fill. Inside, `df` tells
 * the truth and a full disk is ENOSPC; outside, one file is all there is to remove.
 */
import { open, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { AtollError } from "../error.ts";
import type { RunHost } from "./layer-store.ts";

/** mkfs needs room for its own tables. */
export const smallestDiskBytes = 1024 ** 2;
const blockBytes = 4096;
/** Left free on the host's disk whatever sandboxes are promised. */
const reserveBytes = 512 * 1024 ** 2;

/**
 * @param sizeBytes rounded up to whole 4 KiB blocks
 * @param isKept whether it has to come through a loss of power; a layer ends with its sandbox, and has no journal
 */
export async function makeWritable(
  host: { readonly run: RunHost },
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
  isKept = false,
): Promise<void> {
  await requireSpace(dirname(path));
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(Math.ceil(Math.max(sizeBytes, smallestDiskBytes) / blockBytes) * blockBytes);
  } finally {
    await file.close();
  }
  const journal = isKept ? ["-J", "size=8"] : ["-O", "^has_journal"];
  // Smaller inodes have times in whole seconds.
  const features = ["-O", "^resize_inode", "-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-I", "256"];
  // mkfs would give small ones smaller blocks, which a file system with reflinks below cannot share.
  const argv = ["mkfs.ext4", "-q", "-F", "-b", String(blockBytes), ...journal, ...features, path];
  const made = await host.run(argv, { signal, timeoutMs: 20_000 });
  if (made.exitCode === 0) return;
  await removeWritable(path);
  throw new AtollError("internal", `cannot make a disk of ${sizeBytes} bytes: ${made.stderr.trim()}`);
}

export async function removeWritable(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * @param directory of disks; what counts is the file system around it, since one of its own promises as much as the machine has
 * @throws AtollError capacity
 */
export async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(directory));
  if (bavail * bsize > reserveBytes) return;
  throw new AtollError(
    "capacity",
    "cannot make a disk: the machine's own disk is nearly full",
    "Free space below the state directory, or set ATOLL_STATE_DIR to a larger disk.",
  );
}

/**
 * Where sandboxes' disks are kept. Snapshots want a file system with reflinks there. When that of the state directory has none, the disks get
 * one of their own: XFS in a sparse file beside them, mounted over their directory in the launcher's mount namespace alone. It gives back
 * to the machine what is removed (`discard`). No disk outlives its launcher, so that file is never mounted a second time.
 */
import { constants } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../error.ts";
import type { Launcher } from "../launcher/client.ts";
import { loopDevice, loopDevices } from "./loop-devices.ts";

/** The file system below, one of our own in a file, or a file system without reflinks. */
export type DiskStoreKind = "reflinks" | "image" | "plain";
/** What the machine offers, or nothing but the directory itself. */
export type DiskStoreChoice = "auto" | "directory";

export interface DiskStore {
  readonly directory: string;
  readonly kind: DiskStoreKind;
  /** Why it has no reflinks. */
  readonly reason?: string | undefined;
}

const stepLimitMs = 60_000;
/** ext4 refuses files beyond 16 TiB. */
const mostImageBytes = 8 * 1024 ** 4;
/** mkfs.xfs refuses less than a third of it. */
const leastFreeBytes = 1024 ** 3;
/** The log takes up its place at once, and would grow with the file system unless told otherwise. */
const mkfs = ["mkfs.xfs", "-q", "-f", "-K", "-m", "reflink=1", "-l", "size=64m"];

export function disksDirectory(store: string): string {
  return join(store, "disks");
}

/** The file whose file system holds the disks; it is there as long as that is mounted. */
export function diskImage(store: string): string {
  return join(store, "disks.xfs");
}

/** @param store the directory that holds them */
export async function openDiskStore(
  launcher: Launcher,
  store: string,
  choice: DiskStoreChoice,
  signal: AbortSignal,
): Promise<DiskStore> {
  const directory = disksDirectory(store);
  await mkdir(directory, { recursive: true, mode: 0o711 });
  if (await hasImageMounted(store)) return { directory, kind: "image" };
  // That of a launcher that is gone: the kernel frees it when the last of its sandboxes has ended.
  await rm(diskImage(store), { force: true });
  if (await canClone(directory)) return { directory, kind: "reflinks" };
  const reason = choice === "directory" ? "ATOLL_DISK_STORE=directory" : await mountImage(launcher, store, signal);
  return reason === undefined ? { directory, kind: "image" } : { directory, kind: "plain", reason };
}

/** @param pid whose mount namespace is asked */
export async function hasImageMounted(store: string, pid: number | "self" = "self"): Promise<boolean> {
  const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8");
  return mounts.split("\n").some((line) => line.split(" ")[4] === disksDirectory(store));
}

/** Whether files in a directory can share their blocks. */
export async function canClone(directory: string): Promise<boolean> {
  const [probe, clone] = [join(directory, ".probe"), join(directory, ".probe-clone")];
  try {
    await writeFile(probe, "reflink");
    await copyFile(probe, clone, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false; // each file system has its own way to refuse
  } finally {
    await Promise.all([probe, clone].map((path) => rm(path, { force: true })));
  }
}

/** @returns why it cannot be */
async function mountImage(launcher: Launcher, store: string, signal: AbortSignal): Promise<string | undefined> {
  const directory = disksDirectory(store);
  const left = (await readdir(directory)).map((name) => join(directory, name));
  const attached = await loopDevices();
  if (left.some((disk) => attached.has(disk)))
    return "sandboxes of an earlier server have their disks in the directory";
  const { bsize, blocks, bavail } = await statfs(store);
  if (bsize * bavail < leastFreeBytes) return "less than 1 GiB is free";
  const image = diskImage(store);
  const run = async (argv: readonly string[]) => {
    const ended = await launcher.run(argv, { signal, timeoutMs: stepLimitMs });
    if (ended.exitCode !== 0) throw new Error(`${argv[0]} failed: ${ended.stderr.trim().split("\n").at(-1)}`);
  };
  try {
    // What the mount would hide: no sandbox has it any more.
    await Promise.all(left.map((disk) => rm(disk, { force: true })));
    await writeFile(image, "", { mode: 0o600 });
    await truncate(image, Math.min(bsize * blocks, mostImageBytes));
    await run([...mkfs, image]);
    await run(["mount", "-t", "xfs", "-o", "loop,noatime,nodev,nosuid,discard", image, directory]);
  } catch (error) {
    signal.throwIfAborted();
    await rm(image, { force: true });
    return messageOf(error);
  }
  await chmod(directory, 0o711);
  await bypassCache(launcher, image, signal);
  return undefined;
}

/** So that no page is cached twice. A file system that cannot leaves it as it is, which is slower and nothing else. */
async function bypassCache(launcher: Launcher, image: string, signal: AbortSignal): Promise<void> {
  const device = await loopDevice(image);
  await launcher.run(["losetup", "--direct-io=on", device], { signal, timeoutMs: stepLimitMs });
}

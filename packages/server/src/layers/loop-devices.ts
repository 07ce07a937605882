import { readdir, readFile } from "node:fs/promises";
import { AtollError } from "../error.ts";

/** @throws AtollError when the disk is attached to none */
export async function loopDevice(disk: string): Promise<string> {
  const [device] = await attached((file) => file === disk);
  if (device !== undefined) return device;
  throw new AtollError("internal", "cannot find the sandbox's disk: it is not attached");
}

/** Devices whose file lies in a directory. */
export function devicesBelow(directory: string): Promise<string[]> {
  return attached((file) => file.startsWith(`${directory}/`));
}

async function attached(isWanted: (file: string) => boolean): Promise<string[]> {
  const names = (await readdir("/sys/block")).filter((name) => name.startsWith("loop"));
  // The file is there while the device has a backing file.
  const file = (name: string) => readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => "");
  const files = await Promise.all(names.map(file));
  return names.filter((_, index) => isWanted(files[index]?.trim() ?? "")).map((name) => `/dev/${name}`);
}

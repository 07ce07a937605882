import { readdir, readFile } from "node:fs/promises";
import { AtollError } from "../error.ts";

/** @throws AtollError when the disk is attached to none */
export async function loopDevice(disk: string): Promise<string> {
  const device = (await loopDevices()).get(disk);
  if (device !== undefined) return device;
  throw new AtollError("internal", "cannot find the sandbox's disk: it is not attached");
}

/** Devices by their files. */
export async function loopDevices(): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir("/sys/block")).filter((name) => name.startsWith("loop"));
  // The file is there while the device has a backing file.
  const file = (name: string) => readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => "");
  const files = await Promise.all(names.map(file));
  return new Map(names.map((name, index) => [files[index]?.trim() ?? "", `/dev/${name}`]));
}

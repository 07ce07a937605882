/** What set-up needs to know of the machine before it decides anything. */
import { readFile } from "node:fs/promises";

export interface Machine {
  readonly platform: string;
  readonly isRoot: boolean;
  /** Fields of os-release(5); empty where the file is missing. */
  readonly osRelease: { readonly [field: string]: string };
}

export async function readMachine(): Promise<Machine> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return { platform: process.platform, isRoot: process.getuid?.() === 0, osRelease: parseOsRelease(text) };
}

/** os-release(5): shell-like assignments, values optionally quoted. */
export function parseOsRelease(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim());
    if (match?.[1] && match[2] !== undefined) fields[match[1]] = match[2].replace(/^(["'])(.*)\1$/, "$2");
  }
  return fields;
}

export interface Distribution {
  readonly vendor: "Debian" | "Ubuntu";
  readonly codename: string;
}

/** Derivatives name the release of their parent in UBUNTU_CODENAME or DEBIAN_CODENAME. */
export function distributionOf(machine: Machine): Distribution | undefined {
  const { ID, ID_LIKE = "", VERSION_CODENAME, UBUNTU_CODENAME, DEBIAN_CODENAME } = machine.osRelease;
  const kin = [ID, ...ID_LIKE.split(" ")];
  if (kin.includes("ubuntu")) return named("Ubuntu", UBUNTU_CODENAME ?? VERSION_CODENAME);
  if (kin.includes("debian")) return named("Debian", DEBIAN_CODENAME ?? VERSION_CODENAME);
  return undefined;
}

function named(vendor: Distribution["vendor"], codename: string | undefined): Distribution | undefined {
  return codename ? { vendor, codename } : undefined;
}

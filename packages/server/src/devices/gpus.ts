import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AtollError, messageOf } from "../error.ts";
import { type CdiDevice, type CdiEdits, type DeviceNumbers, devicesOf, isGpu, merged } from "./cdi.ts";
import { chooseGpus, gpuRequest, pieces } from "./gpu-request.ts";

interface Installed {
  readonly devices: readonly CdiDevice[];
  /** Specifications that could not be read. */
  readonly problems: readonly string[];
}

/** The GPUs of this machine, as the installed CDI specifications describe them. Read anew each time: drivers rewrite them. */
export class Gpus {
  readonly #directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** CDI names, one for each piece of hardware. */
  names(): string[] {
    return pieces(this.#installed().devices).map((device) => device.name);
  }

  /** @throws AtollError invalid_argument, gpu_unavailable */
  choose(text: string, taken: ReadonlySet<string>): string[] {
    const { devices, problems } = this.#installed();
    try {
      return chooseGpus(gpuRequest(text), devices, taken);
    } catch (error) {
      if (problems.length === 0 || !(error instanceof AtollError)) throw error;
      throw new AtollError(error.code, `${error.message}; and ${problems.join("; ")}`);
    }
  }

  /** What the devices need inside a sandbox. @throws AtollError gpu_unavailable when one is not there any more */
  edits(names: readonly string[]): CdiEdits {
    if (names.length === 0) return merged([]);
    const { devices } = this.#installed();
    return merged(names.map((name) => editsFor(name, devices)));
  }

  #installed(): Installed {
    const found = new Map<string, CdiDevice>();
    const problems: string[] = [];
    for (const file of this.#directories.flatMap(specificationsIn)) {
      try {
        for (const device of devicesOf(textOf(file), numbersOf)) if (isGpu(device)) found.set(device.name, device);
      } catch (error) {
        problems.push(`cannot read ${file}: ${messageOf(error)}`);
      }
    }
    return { devices: [...found.values()].map(withModel), problems };
  }
}

function editsFor(name: string, devices: readonly CdiDevice[]): CdiEdits {
  const device = devices.find((candidate) => candidate.name === name);
  if (device) return device.edits;
  throw new AtollError("gpu_unavailable", `cannot use ${name}: its CDI specification is gone`);
}

function specificationsIn(directory: string): string[] {
  try {
    const files = readdirSync(directory).filter((name) => /\.(json|ya?ml)$/.test(name));
    return files.sort().map((name) => join(directory, name));
  } catch {
    // A machine without devices has no such directory.
    return [];
  }
}

function textOf(file: string): string {
  if (file.endsWith(".json")) return readFileSync(file, "utf8");
  throw new Error("only specifications in JSON are read; make one with `nvidia-ctk cdi generate --format=json`");
}

/** dev_t as glibc lays it out: see makedev(3). */
function numbersOf(path: string): DeviceNumbers {
  const node = statSync(path, { bigint: true });
  if (!node.isCharacterDevice() && !node.isBlockDevice()) throw new Error(`${path} is not a device`);
  const major = ((node.rdev >> 8n) & 0xfffn) | ((node.rdev >> 32n) & ~0xfffn);
  const minor = (node.rdev & 0xffn) | ((node.rdev >> 12n) & ~0xffn & 0xffffffffn);
  return { type: node.isBlockDevice() ? "b" : "c", major: Number(major), minor: Number(minor) };
}

/** NVIDIA's specifications name no model; the driver does, for the minor number in the device node's name. */
function withModel(device: CdiDevice): CdiDevice {
  const minor = device.hardware
    .map((path) => /^\/dev\/nvidia(\d+)$/.exec(path)?.[1])
    .find((found) => found !== undefined);
  const model = minor === undefined ? undefined : nvidiaModel(minor);
  return model === undefined ? device : { ...device, description: `${device.description} ${model}` };
}

function nvidiaModel(minor: string): string | undefined {
  try {
    const root = "/proc/driver/nvidia/gpus";
    const texts = readdirSync(root).map((bus) => readFileSync(join(root, bus, "information"), "utf8"));
    const own = texts.find((text) => new RegExp(`^Device Minor:\\s+${minor}$`, "m").test(text));
    return /^Model:\s+(.+)$/m.exec(own ?? "")?.[1];
  } catch {
    // Without NVIDIA's driver there is no such directory.
    return undefined;
  }
}

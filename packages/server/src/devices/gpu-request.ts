import { AtollError } from "../error.ts";
import type { CdiDevice } from "./cdi.ts";

export interface GpuRequest {
  /** Undefined: any model. */
  readonly model: string | undefined;
  readonly count: number;
}

/** `"A100"`, `"A100:2"`, `"any"` or `"any:2"`. @throws AtollError invalid_argument */
export function gpuRequest(text: string): GpuRequest {
  const match = /^([A-Za-z0-9][A-Za-z0-9 ._-]*)(?::([1-9]\d{0,2}))?$/.exec(text);
  const model = match?.[1];
  if (model === undefined) {
    throw new AtollError(
      "invalid_argument",
      `cannot read the GPU ${JSON.stringify(text)}: write "A100", "A100:2" or "any"`,
    );
  }
  return { model: model.toLowerCase() === "any" ? undefined : model, count: Number(match?.[2] ?? 1) };
}

/** One name for each piece of hardware: specifications also list it by uuid, and all of them as `all`. */
export function pieces(devices: readonly CdiDevice[]): CdiDevice[] {
  const seen = new Set<string>();
  return devices.filter((device) => {
    const key = device.hardware.join(" ") || device.name;
    if (seen.has(key) || device.name.endsWith("=all")) return false;
    seen.add(key);
    return true;
  });
}

/**
 * Picks devices that nobody else has.
 * @param taken CDI names in use
 * @returns CDI names
 * @throws AtollError gpu_unavailable, which says what there is
 */
export function chooseGpus(request: GpuRequest, devices: readonly CdiDevice[], taken: ReadonlySet<string>): string[] {
  const all = pieces(devices);
  const fitting = all.filter((device) => request.model === undefined || isModel(device, request.model));
  const free = fitting.filter((device) => !taken.has(device.name));
  if (free.length >= request.count) return free.slice(0, request.count).map((device) => device.name);
  const wanted = `${request.count} GPU${request.count > 1 ? "s" : ""}${request.model === undefined ? "" : ` of model ${request.model}`}`;
  throw new AtollError("gpu_unavailable", `cannot give the sandbox ${wanted}: ${inventory(all, taken)}`);
}

function isModel(device: CdiDevice, model: string): boolean {
  const words = (text: string) =>
    ` ${text
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .join(" ")} `;
  return words(device.description).includes(words(model));
}

function inventory(devices: readonly CdiDevice[], taken: ReadonlySet<string>): string {
  if (devices.length === 0) return "this machine offers none";
  const list = devices.map(({ name, description }) => `${name} (${description}${taken.has(name) ? ", in use" : ""})`);
  return `this machine offers ${list.join(", ")}`;
}

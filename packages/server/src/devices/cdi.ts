/**
 * Reads Container Device Interface specifications (cdi.k8s.io, cncf-tags/container-device-interface SPEC.md, 0.3 to 1.0).
 * Pure: text in, devices out. Hooks are not run; see docs/limitations.md.
 */
import type { BindMount, DeviceNode } from "../engine/engine.ts";

export interface CdiEdits {
  readonly devices: readonly DeviceNode[];
  readonly mounts: readonly BindMount[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface CdiDevice {
  /** Fully qualified: `vendor.com/class=name`. */
  readonly name: string;
  /** Words that may say which model it is: its name and annotations. */
  readonly description: string;
  /** What the device alone needs, and what every device of its specification needs. */
  readonly edits: CdiEdits;
  /** Host paths of the nodes of the device alone: two names with the same ones are one piece of hardware. */
  readonly hardware: readonly string[];
}

/** What stat(2) says of a device node on the host. */
export interface DeviceNumbers {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
}

type NumbersOf = (hostPath: string) => DeviceNumbers;
type Json = { readonly [key: string]: unknown };

/**
 * @param numbersOf asked for nodes whose numbers the specification leaves out
 * @throws Error that names what is wrong with the specification
 */
export function devicesOf(text: string, numbersOf: NumbersOf): CdiDevice[] {
  const spec = objectOf(JSON.parse(text), "the specification");
  const kind = textOf(spec.kind, "kind");
  if (!/^[a-z0-9.-]+\/[A-Za-z0-9_-]+$/.test(kind)) throw new Error(`kind ${JSON.stringify(kind)} is not vendor/class`);
  const shared = editsOf(spec.containerEdits, numbersOf);
  return listOf(spec.devices, "devices").map((item) => {
    const device = objectOf(item, "a device");
    return deviceOf(kind, device, shared, editsOf(device.containerEdits, numbersOf));
  });
}

export function isGpu(device: CdiDevice): boolean {
  return /\/gpu=/.test(device.name);
}

/** Nothing twice: where edits agree on a path the later ones win. */
export function merged(all: readonly CdiEdits[]): CdiEdits {
  const byPath = <T extends { readonly path: string }>(items: readonly T[]) => [
    ...new Map(items.map((item) => [item.path, item])).values(),
  ];
  return {
    devices: byPath(all.flatMap((edits) => edits.devices)),
    mounts: byPath(all.flatMap((edits) => edits.mounts)),
    environment: Object.assign({}, ...all.map((edits) => edits.environment)),
  };
}

function deviceOf(kind: string, device: Json, shared: CdiEdits, own: CdiEdits): CdiDevice {
  const name = textOf(device.name, "name of a device");
  const annotations = device.annotations === undefined ? {} : objectOf(device.annotations, "annotations");
  return {
    name: `${kind}=${name}`,
    description: [name, ...Object.values(annotations).map(String)].join(" "),
    edits: merged([shared, own]),
    hardware: own.devices.map((node) => node.hostPath).sort(),
  };
}

function editsOf(value: unknown, numbersOf: NumbersOf): CdiEdits {
  const edits = value === undefined ? {} : objectOf(value, "containerEdits");
  return {
    devices: listOf(edits.deviceNodes, "deviceNodes").map((item) => nodeOf(objectOf(item, "a device node"), numbersOf)),
    mounts: listOf(edits.mounts, "mounts").map((item) => mountOf(objectOf(item, "a mount"))),
    environment: Object.fromEntries(listOf(edits.env, "env").map((item) => variableOf(textOf(item, "env")))),
  };
}

function nodeOf(node: Json, numbersOf: NumbersOf): DeviceNode {
  const path = pathOf(node.path, "path of a device node");
  const hostPath = node.hostPath === undefined ? path : pathOf(node.hostPath, "hostPath");
  const permissions = node.permissions === undefined ? "rwm" : textOf(node.permissions, "permissions");
  if (!/^[rwm]+$/.test(permissions))
    throw new Error(`permissions ${JSON.stringify(permissions)} are not of r, w and m`);
  const { type, major, minor } = givenNumbers(node) ?? numbersOf(hostPath);
  return { hostPath, path, cgroupRule: `${type} ${major}:${minor} ${permissions}` };
}

/** `u` is an unbuffered character device, which is a character device. */
function givenNumbers({ type, major, minor }: Json): DeviceNumbers | undefined {
  if (typeof major !== "number" || typeof minor !== "number") return undefined;
  return { type: type === "b" ? "b" : "c", major, minor };
}

function mountOf(mount: Json): BindMount {
  const options = listOf(mount.options, "options of a mount").map((item) => textOf(item, "option"));
  return {
    hostPath: pathOf(mount.hostPath, "hostPath of a mount"),
    path: pathOf(mount.containerPath, "containerPath of a mount"),
    readOnly: options.includes("ro"),
  };
}

function variableOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`env ${JSON.stringify(text)} is not NAME=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new Error(`${what} is not an object`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Error(`${what} is not a list`);
}

function textOf(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`${what} is missing or not text`);
}

function pathOf(value: unknown, what: string): string {
  const path = textOf(value, what);
  if (path.startsWith("/") && !path.split("/").includes("..")) return path;
  throw new Error(`${what} is not an absolute path: ${JSON.stringify(path)}`);
}

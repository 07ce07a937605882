/** The same work without Atoll: a plain spawn, and bare crun and runsc on the base image, started from this process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { containerSpec, gvisorSpec } from "../packages/server/src/engine/oci/spec.ts";

export interface Control {
  readonly kind: "crun" | "runsc";
  /** Milliseconds to the first byte of the command of a new container. */
  run(argv: readonly string[]): Promise<number>;
  /** The same in a container that runs already. */
  exec(argv: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

const uids = { base: 0x6fff_0000, size: 65_536 };
const limitMs = 60_000;

/** Milliseconds from starting a program to its first byte of stdout. The program is waited for. */
export async function firstByte(argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = argv;
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], timeout: limitMs });
  await once(child.stdout, "data");
  const elapsed = performance.now() - began;
  child.stdout.resume();
  await once(child, "close");
  return elapsed;
}

/** Milliseconds that a program runs. It must succeed. */
export async function wholeRun(argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = argv;
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`cannot measure: ${argv.join(" ")} exited with ${code}`);
  return performance.now() - began;
}

/** Megabytes a second that a program writes into a pipe and this process reads. */
export async function pipeThroughput(argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = argv;
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], timeout: limitMs });
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += chunk.length;
  return bytes / 1000 / (performance.now() - began);
}

/** @param layer root file system, used read-only */
export async function openControl(kind: "crun" | "runsc", binary: string, layer: string): Promise<Control> {
  const directory = await mkdtemp("/tmp/atoll-bench-");
  const state = join(directory, "state");
  const command =
    kind === "crun"
      ? [binary, `--root=${state}`, "--cgroup-manager=disabled"]
      : [binary, `--root=${state}`, "--ignore-cgroups", "--platform=systrap", "--network=none", "--overlay2=none"];
  let count = 0;
  const run = async (argv: readonly string[]) => {
    const name = `bench${process.pid}n${count++}`;
    const bundle = await writeBundle(kind, directory, name, layer, argv);
    const elapsed = await firstByte([...command, "run", `--bundle=${bundle}`, name]);
    await rm(bundle, { recursive: true, force: true });
    return elapsed;
  };
  const resident = `bench${process.pid}resident`;
  const bundle = await writeBundle(kind, directory, resident, layer, ["sleep", "3600"]);
  const child = spawn(command[0] ?? "", [...command.slice(1), "run", `--bundle=${bundle}`, resident], {
    stdio: "ignore",
  });
  await untilRunning([...command, "state", resident]);
  return {
    kind,
    run,
    exec: (argv) => firstByte([...command, "exec", resident, ...argv]),
    close: async () => {
      spawn(command[0] ?? "", [...command.slice(1), "delete", "--force", resident], { stdio: "ignore" });
      await once(child, "close");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilRunning(argv: readonly string[]): Promise<void> {
  const deadline = performance.now() + 10_000;
  const [program = "", ...args] = argv;
  while (performance.now() < deadline) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    for await (const chunk of child.stdout) text += chunk;
    if (text.includes('"running"')) return;
    await sleep(50);
  }
  throw new Error(`cannot start the control container: ${argv.join(" ")} never said that it runs`);
}

/** The bundle Atoll itself would use, but with the image as root and the command as the process, and a network namespace of its own. */
async function writeBundle(
  kind: "crun" | "runsc",
  directory: string,
  name: string,
  layer: string,
  argv: readonly string[],
): Promise<string> {
  const holder = {
    hostname: name,
    holderRoot: layer,
    controlDirectory: directory,
    mountsDirectory: directory,
    networkNamespace: "",
  };
  const spec = kind === "crun" ? containerSpec(holder, uids, process.arch) : gvisorSpec(holder);
  const namespaces = spec.linux.namespaces
    .map(({ type }) => ({ type }))
    .filter(({ type }) => kind === "crun" || type !== "network");
  const changed = {
    ...spec,
    process: { ...spec.process, args: argv },
    root: { path: layer, readonly: true },
    mounts: spec.mounts.filter(({ destination }) => destination !== "/.atoll"),
    linux: { ...spec.linux, namespaces },
  };
  const bundle = join(directory, name);
  await mkdir(bundle);
  await writeFile(join(bundle, "config.json"), JSON.stringify(changed));
  return bundle;
}

/**
 * Measures Atoll beside its controls in one run, round robin: `node_modules/.bin/node bench/main.ts [--rounds N] [--skip-gvisor]`.
 * Wants root, a server with its base image (ATOLL_STATE_DIR or ATOLL_URL as for the SDK), and a quiet machine.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { Sandbox } from "@atoll/sdk";
import { baseImageRecipe } from "../packages/server/src/setup/base-image-recipe.ts";
import { findBaseImage } from "../packages/server/src/setup/ensure-base-image.ts";
import { distributionOf, readMachine } from "../packages/server/src/setup/machine.ts";
import { findRunsc } from "../packages/server/src/setup/runsc.ts";
import { type Control, firstByte, openControl, pipeThroughput } from "./controls.ts";
import { interleaved, table } from "./statistics.ts";

const oneByte = ["printf", "x"];
const MiB = 1024 ** 2;
type Isolation = "gvisor" | "container";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: "string", default: "100" }, "skip-gvisor": { type: "boolean" } },
  });
  const rounds = Number(values.rounds);
  const stateDirectory = process.env.ATOLL_STATE_DIR ?? "/var/lib/atoll";
  enterOwnMountNamespace();
  const signal = AbortSignal.timeout(3_600_000);
  const layer = await requireLayer(stateDirectory);
  const runsc = await findRunsc(stateDirectory, signal);
  if (!(runsc || values["skip-gvisor"]))
    throw new Error("cannot measure gVisor: runsc is not installed; use --skip-gvisor");
  console.log(await machine());
  const crun = await openControl("crun", "crun", layer);
  const gvisor = runsc && !values["skip-gvisor"] ? await openControl("runsc", runsc.path, layer) : undefined;
  try {
    await measureCreate(rounds, crun, gvisor);
    await measureExec(rounds, crun, gvisor);
    await measureThroughput(Math.max(3, Math.floor(rounds / 20)), gvisor !== undefined);
  } finally {
    await crun.close();
    await gvisor?.close();
  }
}

async function measureCreate(rounds: number, crun: Control, gvisor: Control | undefined): Promise<void> {
  const rows = await interleaved(rounds, {
    "plain spawn": () => firstByte(oneByte),
    "crun run": () => crun.run(oneByte),
    "atoll create, container": () => createToFirstByte("container"),
  });
  console.log(table("create to first byte", "ms", rows));
  if (!gvisor) return;
  const slower = await interleaved(Math.ceil(rounds / 4), {
    "runsc run": () => gvisor.run(oneByte),
    "atoll create, gvisor": () => createToFirstByte("gvisor"),
  });
  console.log(table("create to first byte, gVisor", "ms", slower));
}

async function measureExec(rounds: number, crun: Control, gvisor: Control | undefined): Promise<void> {
  await using container = await Sandbox.create({ isolation: "container", timeoutMs: 3_600_000 });
  const rows = await interleaved(rounds, {
    "plain spawn": () => firstByte(oneByte),
    "crun exec": () => crun.exec(oneByte),
    "atoll exec, container": () => execToFirstByte(container),
  });
  console.log(table("exec to first byte", "ms", rows));
  if (!gvisor) return;
  await using sandbox = await Sandbox.create({ isolation: "gvisor", timeoutMs: 3_600_000 });
  const slower = await interleaved(rounds, {
    "runsc exec": () => gvisor.exec(oneByte),
    "atoll exec, gvisor": () => execToFirstByte(sandbox),
  });
  console.log(table("exec to first byte, gVisor", "ms", slower));
}

/** Higher is better here. */
async function measureThroughput(rounds: number, hasGvisor: boolean): Promise<void> {
  const flood = (block: string, count: number) => [
    "dd",
    "if=/dev/zero",
    `bs=${block}`,
    `count=${count}`,
    "status=none",
  ];
  await using container = await Sandbox.create({ isolation: "container", timeoutMs: 3_600_000 });
  for (const [block, count] of [
    ["64K", 8192],
    ["4K", 32_768],
  ] as const) {
    const rows = await interleaved(rounds, {
      "plain pipe": () => pipeThroughput(flood(block, count)),
      "atoll stdout, container": () => stdoutThroughput(container, flood(block, count)),
    });
    console.log(table(`stdout throughput, writes of ${block}`, "MB/s", rows));
  }
  if (!hasGvisor) return;
  await using sandbox = await Sandbox.create({ isolation: "gvisor", timeoutMs: 3_600_000 });
  const rows = await interleaved(rounds, {
    "plain pipe": () => pipeThroughput(flood("64K", 8192)),
    "atoll stdout, gvisor": () => stdoutThroughput(sandbox, flood("64K", 8192)),
  });
  console.log(table("stdout throughput, gVisor, writes of 64K", "MB/s", rows));
}

async function createToFirstByte(isolation: Isolation): Promise<number> {
  const began = performance.now();
  const sandbox = await Sandbox.create(oneByte, { isolation });
  const elapsed = await firstByteOf(sandbox.stdout.toReadableStream(), began);
  await sandbox.wait();
  return elapsed;
}

async function execToFirstByte(sandbox: Sandbox): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec(oneByte);
  const elapsed = await firstByteOf(process.stdout.toReadableStream(), began);
  await process.wait();
  return elapsed;
}

async function firstByteOf(stream: ReadableStream<Uint8Array>, began: number): Promise<number> {
  const reader = stream.getReader();
  const { done } = await reader.read();
  const elapsed = performance.now() - began;
  if (done) throw new Error("cannot measure: the program wrote nothing");
  while (!(await reader.read()).done);
  return elapsed;
}

async function stdoutThroughput(sandbox: Sandbox, argv: readonly string[]): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec([...argv]);
  let bytes = 0;
  for await (const chunk of process.stdout.toReadableStream()) bytes += chunk.length;
  const elapsed = performance.now() - began;
  await process.wait();
  if (bytes < 64 * MiB) throw new Error(`cannot measure: only ${bytes} bytes arrived`);
  return bytes / 1000 / elapsed;
}

async function requireLayer(stateDirectory: string): Promise<string> {
  const distribution = distributionOf(await readMachine());
  const layer = distribution && (await findBaseImage(stateDirectory, baseImageRecipe(distribution)));
  if (layer) return layer;
  throw new Error(`cannot find the base image below ${stateDirectory}: run \`atoll setup\` first`);
}

/** crun refuses a machine with both cgroup versions, and runsc one that shows its network settings everywhere: see docs/decisions. */
function enterOwnMountNamespace(): void {
  if (process.env.ATOLL_BENCH_INSIDE === "1" || process.execve === undefined) return;
  const prepare = `${existsSync("/sys/fs/cgroup/unified") ? "umount /sys/fs/cgroup/unified;" : ""} exec "$@"`;
  const argv = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    prepare,
    "sh",
    process.execPath,
    ...process.argv.slice(1),
  ];
  process.execve("/usr/bin/unshare", argv, { ...process.env, ATOLL_BENCH_INSIDE: "1" });
}

async function machine(): Promise<string> {
  const kernel = (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim();
  const load = loadavg()
    .map((value) => value.toFixed(2))
    .join(" ");
  const [cpu] = cpus();
  return `Machine: ${cpus().length} x ${cpu?.model.trim()}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${kernel}, Node ${process.version}, load ${load}\n`;
}

await main();

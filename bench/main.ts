/**
 * Measures Atoll beside its controls in one run: `node_modules/.bin/node bench/main.ts [SUBJECT...] [--rounds N] [--skip-gvisor]`.
 * Wants root, a server with its base image (ATOLL_STATE_DIR or ATOLL_URL as for the SDK), and a quiet machine.
 */
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { baseImageRecipe } from "../packages/server/src/setup/base-image-recipe.ts";
import { findBaseImage } from "../packages/server/src/setup/ensure-base-image.ts";
import { distributionOf, readMachine } from "../packages/server/src/setup/machine.ts";
import { findRunsc } from "../packages/server/src/setup/runsc.ts";
import { Bench, type Subject } from "./bench.ts";

const directory = join(import.meta.dirname, "subjects");
const setUpLimitMs = 60_000;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "100" },
      "skip-gvisor": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const subjects = await load(positionals);
  if (values.help) return console.log(help(subjects));
  if (!/^[1-9]\d*$/.test(values.rounds)) throw new Error("cannot use --rounds: it is no whole number from 1 on");
  enterOwnMountNamespace();
  console.log(await machine());
  await using bench = await openBench(Number(values.rounds), values["skip-gvisor"]);
  for (const { measure } of subjects.values()) await measure(bench);
}

/** The files of subjects/ that are asked for; all of them when none is. */
async function load(wanted: readonly string[]): Promise<ReadonlyMap<string, Subject>> {
  const names = readdirSync(directory).map((file) => basename(file, ".ts"));
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`cannot measure ${unknown.join(", ")}: there is ${names.sort().join(", ")}`);
  const subjects = new Map<string, Subject>();
  for (const name of (wanted.length > 0 ? wanted : names).toSorted())
    subjects.set(name, await import(join(directory, `${name}.ts`)));
  return subjects;
}

function help(subjects: ReadonlyMap<string, Subject>): string {
  const lines = [...subjects].map(([name, { about }]) => `  ${name.padEnd(12)}  ${about}`);
  return `node_modules/.bin/node bench/main.ts [SUBJECT...] [--rounds N] [--skip-gvisor]\n\nSubjects:\n${lines.join("\n")}`;
}

async function openBench(rounds: number, skipsGvisor: boolean): Promise<Bench> {
  const stateDirectory = process.env.ATOLL_STATE_DIR ?? "/var/lib/atoll";
  const layer = await requireLayer(stateDirectory);
  const runsc = skipsGvisor ? undefined : await findRunsc(stateDirectory, AbortSignal.timeout(setUpLimitMs));
  if (!(runsc || skipsGvisor)) throw new Error("cannot measure gVisor: runsc is not installed; use --skip-gvisor");
  return new Bench({ rounds, layer, runsc: runsc?.path });
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
  const command = ["sh", "-c", prepare, "sh", process.execPath, ...process.argv.slice(1)];
  const argv = ["unshare", "--mount", "--propagation", "private", ...command];
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

await main().catch((error: unknown) => {
  console.error(error instanceof Error && error.message.startsWith("cannot") ? `bench: ${error.message}` : error);
  process.exitCode = 1;
});

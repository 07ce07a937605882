/**
 * Makes holders with the real engines while one call to the launcher after the other goes wrong, and says after each what is left of it.
 * Runs in the launcher's mount namespace, as the daemon does: `launcher enter --socket S -- node failing-creates.ts STATE LAYER RUNSC`.
 * Prints one line of JSON for each attempt.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Engine, HolderRecord } from "../../packages/server/src/engine/engine.ts";
import { openEngines } from "../../packages/server/src/engine/engines.ts";
import { Launcher } from "../../packages/server/src/launcher/client.ts";
import { findProgram } from "../../packages/server/src/setup/programs.ts";
import { checkout } from "../support/server.ts";
import { type Attempt, type Fault, faults, type Step } from "./faults.ts";
import { type Snapshot, settledDifference, snapshot, type Watched } from "./machine.ts";

const [state = "", layer = "", runsc = ""] = process.argv.slice(2);
const limitMs = 60_000;
/** More calls than a create makes; reaching it means that faults do not fire. */
const mostCalls = 50;

/** Counts the calls of a create, and has the fault happen at one of them. */
class Injection {
  readonly fault: Fault;
  readonly at: number;
  readonly abort = new AbortController();
  calls = 0;
  step: Step | undefined;
  isArmed = true;

  constructor(fault: Fault, at: number) {
    this.fault = fault;
    this.at = at;
  }

  /** Whether it happens now. */
  fires(step: Step): boolean {
    if (!this.isArmed || this.fault.steps?.includes(step) === false) return false;
    this.calls += 1;
    if (this.calls !== this.at) return false;
    this.step = step;
    this.isArmed = false;
    return true;
  }
}

let injection: Injection | undefined;

function faulty(launcher: Launcher): Launcher {
  const steps: readonly string[] = ["run", "spawnWatched", "watch", "claim"];
  return new Proxy(launcher, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const act = value.bind(target) as (...given: unknown[]) => Promise<unknown>;
      if (!steps.includes(String(name))) return act;
      return async (...given: unknown[]) => {
        const fired = injection?.fires(String(name) as Step) ? injection : undefined;
        if (!fired) return act(...given);
        return fired.fault.happen({ act, given, abort: fired.abort, launcher: target });
      };
    },
  });
}

async function create(engine: Engine, key: string, signal: AbortSignal): Promise<void> {
  const controlDirectory = join(state, "run", key);
  await mkdir(controlDirectory, { recursive: true });
  const server = createServer((socket) => socket.on("error", () => undefined).resume());
  server.listen({ path: join(controlDirectory, "control.sock"), readableAll: true, writableAll: true });
  await once(server, "listening");
  let record: HolderRecord | undefined;
  try {
    const holder = await engine.prepare({ key, controlDirectory }, signal);
    record = holder.record;
    const limits = { cpu: 1, memoryBytes: 128 * 1024 ** 2, pids: 100, diskBytes: 32 * 1024 ** 2 };
    await engine.claim(holder, { layers: [layer], limits, devices: [], mounts: [] }, signal);
  } finally {
    if (injection) injection.isArmed = false;
    if (record) await engine.destroy(record, AbortSignal.timeout(limitMs));
    server.close();
    await rm(controlDirectory, { recursive: true, force: true });
  }
}

async function attempt(engine: Engine, fault: Fault, at: number): Promise<Attempt> {
  injection = new Injection(fault, at);
  const signal = AbortSignal.any([injection.abort.signal, AbortSignal.timeout(limitMs)]);
  const error = await create(engine, randomBytes(11).toString("hex"), signal).then(
    () => undefined,
    (reason: unknown) => String(reason),
  );
  const { step, calls } = injection;
  injection = undefined;
  const left = await settledDifference(before, watched, 5000);
  const swept = (await engines.sweep(AbortSignal.timeout(limitMs))).map(({ kind, what }) => `${kind} ${what}`);
  return { isolation: engine.isolation, fault: fault.name, at, step, calls, error, left, swept };
}

function say(line: Attempt): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const launcher = await Launcher.connect(join(state, "run/launcher.sock"));
const engines = await openEngines(
  faulty(launcher),
  {
    stateDirectory: state,
    launcherBinary: join(checkout, "native/build/launcher"),
    diskStore: "auto",
    initBinary: join(checkout, "native/build/init"),
    runscBinary: runsc,
    crunBinary: await findProgram("crun"),
    subnet: undefined,
    hostServices: [],
    nameServers: [],
    defaultDiskBytes: 64 * 1024 ** 2,
    readySlots: 0,
    onError: (error) => process.stderr.write(`${error}\n`),
  },
  AbortSignal.timeout(limitMs),
);
const watched: Watched = {
  directory: state,
  launcherPid: launcher.pid,
  daemonPid: process.pid,
  instance: createHash("sha256").update(state).digest("hex").slice(0, 8),
};
// The first of each makes what all later ones share, such as the runtimes' directories.
for (const engine of engines.engines.values())
  await create(engine, randomBytes(11).toString("hex"), AbortSignal.timeout(limitMs));
const before: Snapshot = await snapshot(watched);
for (const engine of engines.engines.values()) {
  for (const fault of faults) {
    for (let at = 1; at <= mostCalls; at += 1) {
      const line = await attempt(engine, fault, at);
      say(line);
      // What is left would be found after each later attempt too.
      if (Object.keys(line.left).length > 0) process.exit(0);
      if (line.step === undefined) break;
    }
  }
}
await engines.close(true, AbortSignal.timeout(limitMs));
launcher.close();

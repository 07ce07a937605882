/**
 * An engine for tests of the core: a holder is the real init in pid and uts namespaces of its own, on the host's files. The
 * namespaces are there so that the end of init ends all of its processes, and so that the host keeps its name.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Isolation } from "@atoll/protocol";
import type { Engine, Holder, HolderEnd, HolderRecord } from "../../src/engine/engine.ts";

const initBinary = fileURLToPath(new URL("../../../../native/build/init", import.meta.url));

export type FailingStep = "prepare" | "claim" | "destroy";

export interface PlainEngineOptions {
  readonly isolation?: Isolation;
  /** Fault injection: answers whether this step is to fail now. */
  readonly fails?: (step: FailingStep) => boolean;
  readonly unavailable?: string;
  /** Slows each prepare down, in milliseconds. */
  readonly prepareMs?: number;
  /** What usage() says was killed for want of memory. */
  readonly oomKills?: () => number;
}

export function plainEngine(options: PlainEngineOptions = {}): Engine {
  const isolation = options.isolation ?? "container";
  const fail = (step: FailingStep) => {
    if (options.fails?.(step)) throw new Error(`the ${step} step was made to fail`);
  };
  return {
    isolation,
    check: async () =>
      options.unavailable === undefined
        ? { available: true, detail: "plain processes" }
        : { available: false, detail: options.unavailable },
    prepare: async ({ key, controlDirectory, network }) => {
      if (options.prepareMs) await sleep(options.prepareMs);
      fail("prepare");
      const log = openSync(`${controlDirectory}/init.log`, "a");
      const namespaces = ["--pid", "--uts", "--fork", "--kill-child=SIGKILL"];
      const child = spawn("unshare", [...namespaces, initBinary, "--control", controlDirectory], {
        detached: true,
        stdio: ["ignore", log, log],
        cwd: "/",
      });
      closeSync(log);
      const pid = child.pid ?? 0;
      child.unref();
      const gone = new Promise<HolderEnd>((resolve) => {
        child.once("exit", (code, signal) =>
          resolve({ at: new Date(), status: statusOf(code, signal), outOfMemory: false }),
        );
      });
      return { record: { key, isolation, network, details: { pid, startTime: startTime(pid) ?? 0 } }, gone };
    },
    claim: async () => {
      fail("claim");
      return { root: "" };
    },
    adopt: async (record) => (isAlive(record) ? { record, gone: whenGone(record) } : undefined),
    destroy: async (record) => {
      fail("destroy");
      await destroy(record);
    },
    usage: async () => ({ memoryBytes: 0, cpuMs: 0, pids: 0, oomKills: options.oomKills?.() ?? 0 }),
  };
}

function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === "SIGKILL" ? 9 : signal === null ? (code ?? 0) << 8 : 15;
}

/** Field 22 of /proc/PID/stat, so that a reused number is not taken for the process. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch {
    // The process is gone.
    return undefined;
  }
}

function isAlive({ details }: HolderRecord): boolean {
  const started = startTime(Number(details.pid));
  return started !== undefined && started === details.startTime;
}

async function whenGone(record: HolderRecord): Promise<HolderEnd> {
  while (isAlive(record)) await sleep(50, undefined, { ref: false });
  return { at: new Date(), outOfMemory: false };
}

async function destroy(record: HolderRecord): Promise<void> {
  const init = initOf(record);
  if (init !== undefined) kill(init);
  if (isAlive(record)) kill(Number(record.details.pid));
  while (isAlive(record)) await sleep(5);
}

/** The host's number of the init in a holder; undefined when it is gone. */
export function initOf(record: HolderRecord): number | undefined {
  const pid = Number(record.details.pid);
  if (!isAlive(record)) return undefined;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return children === "" ? undefined : Number(children.split(" ")[0]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process is gone.
  }
}

export type { Holder };

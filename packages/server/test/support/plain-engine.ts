/**
 * An engine for tests of the core: a holder is the real init in pid and uts namespaces of its own, on the host's files. The
 * namespaces are there so that the end of init ends all of its processes, and so that the host keeps its name.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Isolation } from "@atoll/protocol";
import type { Engine, HolderEnd, HolderRecord, Leak } from "../../src/engine/engine.ts";

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
  /** Told each key that is reserved. */
  readonly onReserve?: (key: string) => void;
}

/** @returns an engine that also tells which holders it has, by their keys */
export function plainEngine(options: PlainEngineOptions = {}): Engine & { readonly keys: ReadonlySet<string> } {
  const keys = new Set<string>();
  const isolation = options.isolation ?? "container";
  const fail = (step: FailingStep) => {
    if (options.fails?.(step)) throw new Error(`the ${step} step was made to fail`);
  };
  return {
    keys,
    isolation,
    check: async () =>
      options.unavailable === undefined
        ? { available: true, detail: "plain processes" }
        : { available: false, detail: options.unavailable },
    prepare: async ({ key, controlDirectory }) => {
      if (options.prepareMs) await sleep(options.prepareMs);
      fail("prepare");
      keys.add(key);
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
      return { record: { key, isolation, details: { pid, startTime: startTime(pid) ?? 0 } }, gone };
    },
    claim: async () => {
      fail("claim");
      return { root: "" };
    },
    reserve: ({ key }) => {
      options.onReserve?.(key);
      keys.add(key);
    },
    adopt: async (record) => {
      if (!isAlive(record)) return undefined;
      keys.add(record.key);
      return { record, gone: whenGone(record) };
    },
    destroy: async (record) => {
      fail("destroy");
      await destroy(record);
      keys.delete(record.key);
    },
    setNetwork: async () => undefined,
    copyWritten: async () => Promise.reject(new Error("the plain engine has no layers")),
    mount: async () => Promise.reject(new Error("the plain engine has no mounts")),
    unmount: async () => Promise.reject(new Error("the plain engine has no mounts")),
    usage: async () => ({ memoryBytes: 0, cpuMs: 0, pids: 0, oomKills: options.oomKills?.() ?? 0 }),
  };
}

/** unshare(1) of util-linux 2.38 ends with 1 ("sigprocmask unblock failed") when its child was killed by a signal. */
function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === "SIGKILL" || code === 1 ? 9 : (code ?? 0) << 8;
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

/** Holders whose control directory is below `run` and whose key is not among `known`: left by a daemon that was killed. */
export function strayHolders(run: string, known: (key: string) => boolean): Leak[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.flatMap((pid): Leak[] => {
    const argv = commandOf(pid);
    const key =
      argv[0] === "unshare" && argv.at(-1)?.startsWith(`${run}/`) ? argv.at(-1)?.slice(run.length + 1) : undefined;
    if (key === undefined || known(key)) return [];
    const details = { pid, startTime: startTime(pid) ?? 0 };
    return [{ kind: "process", what: key, remove: () => destroy({ key, isolation: "container", details }) }];
  });
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    // The process is gone.
    return [];
  }
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

import { setTimeout as sleep } from "node:timers/promises";
import type { ReadinessProbe } from "@atoll/protocol";
import type { LiveSandbox } from "./live-sandbox.ts";

const normalIntervalMs = 100;
const attemptTimeoutMs = 30_000;

/** Probes a running sandbox until it is ready or over, and stores when it became ready. */
export async function probeUntilReady(live: LiveSandbox): Promise<void> {
  const probe = live.row.spec.readinessProbe;
  if (!probe || live.row.readyAt !== undefined) return;
  const signal = AbortSignal.any([live.over.signal, live.context.stopping]);
  while (!signal.aborted) {
    if (await passes(live, probe, signal)) return becomeReady(live);
    await sleep(probe.intervalMs ?? normalIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}

function becomeReady(live: LiveSandbox): void {
  if (live.isFinished) return;
  live.row.readyAt = Date.now();
  live.note("ready");
  live.save();
}

async function passes(live: LiveSandbox, probe: ReadinessProbe, signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
  try {
    await live.link?.whenConnected(limit);
    if ("tcpPort" in probe) return (await live.link?.probe(probe.tcpPort, limit)) === true;
    return (await live.processes.quiet.run(command(live, probe.exec), limit)) === 0;
  } catch {
    // A connection that ended or an attempt that took too long is a probe that did not pass; the loop tries again.
    return false;
  }
}

function command(live: LiveSandbox, argv: readonly string[]) {
  const { environment, workdir, user, openFilesLimit } = live.mainSpec();
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return { argv, environment: variables, cwd: workdir, user, openFilesLimit };
}

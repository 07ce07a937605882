import type { Mounted } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import type { LiveSandbox } from "./live-sandbox.ts";

/**
 * Copies what a running sandbox has written, or what was written to something mounted in it, as it is at one instant, into an empty directory as a layer.
 * @returns for how long the sandbox stood still, in milliseconds
 * @throws AtollError sandbox_finished, also when it ended meanwhile
 */
export async function copyWritten(
  live: LiveSandbox,
  directory: string,
  signal: AbortSignal,
  mounted?: Mounted,
): Promise<number> {
  checkRunning(live);
  const { holder } = live.row;
  if (!holder) throw new Error("a running sandbox has a holder");
  const engine = live.context.levels.engine(live.row.spec.isolation);
  const limit = AbortSignal.any([signal, live.over.signal, live.context.stopping]);
  try {
    const { pausedMs } = await engine.copyWritten(holder, directory, limit, mounted);
    live.note("snapshot", `paused for ${pausedMs.toFixed(1)} ms`);
    live.save();
    return pausedMs;
  } finally {
    checkRunning(live);
  }
}

function checkRunning(live: LiveSandbox): void {
  if (live.row.state === "running" && !live.ending.signal.aborted) return;
  throw new AtollError("sandbox_finished", `cannot copy the files of ${live.id}: the sandbox has ended`);
}

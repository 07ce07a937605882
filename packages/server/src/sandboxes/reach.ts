import type { Result } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { connectTimeoutMs, type LiveSandbox } from "./live-sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";

/**
 * The sandbox once it runs and its init is connected.
 * @param doing what cannot be done without, such as "start a process"
 * @throws AtollError not_found, sandbox_finished, unavailable
 */
export async function reach(
  sandboxes: Sandboxes,
  sandboxId: string,
  doing: string,
  signal: AbortSignal,
): Promise<LiveSandbox> {
  const live = sandboxes.live(sandboxId);
  await live?.changed.until(() => live.row.state === "running" || live.isFinished, signal);
  if (live?.row.state !== "running" || live.ending.signal.aborted) throw finished(sandboxes, sandboxId, doing);
  try {
    await live.link?.whenConnected(AbortSignal.any([signal, live.over.signal, AbortSignal.timeout(connectTimeoutMs)]));
  } catch (error) {
    if (live.isFinished) throw finished(sandboxes, sandboxId, doing);
    throw new AtollError("unavailable", `cannot reach the sandbox ${sandboxId} at the moment`, undefined, error);
  }
  return live;
}

function finished(sandboxes: Sandboxes, sandboxId: string, doing: string): AtollError {
  const { result } = sandboxes.row(sandboxId);
  const how = result ? `: ${describe(result)}` : "";
  return new AtollError("sandbox_finished", `cannot ${doing} in ${sandboxId}: the sandbox has ended${how}`);
}

export function describe(result: Result): string {
  return result.message ?? `${result.kind}, exit code ${result.exitCode}`;
}

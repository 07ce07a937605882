import type { Result } from "@atoll/protocol";
import { within } from "../change.ts";
import type { HolderEnd } from "../engine/engine.ts";
import { messageOf } from "../error.ts";
import { lost, outOfMemory, signalName } from "../processes/result.ts";
import type { LiveSandbox } from "./live-sandbox.ts";

/** How long the last output may take to arrive once everything in the sandbox was killed. */
const drainMs = 2000;
/** The exit of the main process may be read from the socket a moment after the holder was seen to be gone. */
const lastWordsMs = 200;
const destroyTimeoutMs = 60_000;
const commitTimeoutMs = 600_000;
const longestRetryMs = 60_000;

/**
 * Ends a sandbox: kills everything in it, takes in the last output, stores the result. The holder is removed afterwards,
 * by `destroy`, so that nobody waits for the kernel's teardown. An ending from outside is stored before
 * anything is killed, so that a restart carries the same one through; how the command ended init says again.
 */
export async function end(live: LiveSandbox, result: Result): Promise<void> {
  const { row, processes } = live;
  row.ending ??= result;
  if (row.ending !== live.mainResult) {
    live.note("ending", row.ending.kind);
    live.save();
  }
  if (live.holderEnd === undefined) processes.killAll(row.ending);
  if (live.link?.isConnected) await drain(live);
  await processes.close(row.ending);
  await commitVolumes(live);
  finish(live, row.ending);
}

/** Before the end is told, so that who waited for it finds what was written. A server that stops leaves it to the next one. */
async function commitVolumes(live: LiveSandbox): Promise<void> {
  const { id, context } = live;
  const limit = AbortSignal.any([context.stopping, AbortSignal.timeout(commitTimeoutMs)]);
  try {
    await context.volumes.ended(id, limit);
  } catch (error) {
    if (context.stopping.aborted) throw error;
    context.log.error({ sandboxId: id, err: error }, "cannot commit what a sandbox has written to its volumes");
    live.note("volumes_lost", messageOf(error));
  }
}

/** Marks a sandbox finished; nothing of it runs any more, or what does is about to be destroyed. */
export function finish(live: LiveSandbox, result: Result): void {
  const { row } = live;
  live.move("finished");
  row.result = result;
  row.finishedAt = Date.now();
  live.note("finished", result.message ?? result.kind);
  live.over.abort();
  live.save();
}

async function drain(live: LiveSandbox): Promise<void> {
  const limit = AbortSignal.timeout(drainMs);
  for (const process of live.processes.unsettled()) {
    for (const [change, isOver] of [
      [process.changed, () => process.isFinished],
      [process.stdout.changed, () => process.stdout.isComplete || process.stdout.isLimited],
      [process.stderr.changed, () => process.stderr.isComplete || process.stderr.isLimited],
    ] as const) {
      await change.until(() => isOver() || live.holderEnd !== undefined, limit).catch(() => undefined);
    }
  }
}

/** What to say of a sandbox whose holder is gone, unless its main process said something itself. */
export async function lastWords(live: LiveSandbox, gone: HolderEnd): Promise<Result> {
  const { main } = live.processes;
  if (main && main.row.argv.length > 0) await within(lastWordsMs, main.changed, () => main.isFinished);
  return live.mainResult ?? resultOfHolder(gone);
}

/** Pure: how the death of init or of the runtime is reported. */
export function resultOfHolder(gone: HolderEnd): Result {
  if (gone.outOfMemory) return outOfMemory("the sandbox was killed at its memory limit");
  const signo = gone.status === undefined ? 0 : gone.status & 0x7f;
  if (signo === 0) return lost("the sandbox's init ended by itself");
  const signal = signalName(signo);
  return { kind: "signalled", exitCode: 128 + signo, signal, message: `the sandbox's init was ended by ${signal}` };
}

/** Removes what is left of a finished sandbox. On failure the loop tries again, later each time. */
export async function destroy(live: LiveSandbox): Promise<void> {
  const { row, context } = live;
  try {
    const engine = context.levels.engine(row.spec.isolation);
    if (row.holder) await engine.destroy(row.holder, AbortSignal.timeout(destroyTimeoutMs));
    await live.hangUp();
    live.removeControlDirectory();
    await context.volumes.remove(row.id);
    context.outboundSecrets.remove(row.id);
    row.isDestroyed = true;
    context.store.mounts.removeOf(row.id);
    live.note("removed");
  } catch (error) {
    live.failures += 1;
    live.retryAt = Date.now() + Math.min(longestRetryMs, 500 * 2 ** live.failures);
    context.log.error({ sandboxId: row.id, err: error, failures: live.failures }, "cannot remove a sandbox");
  } finally {
    live.save();
  }
}

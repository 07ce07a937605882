import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { VolumeMounts } from "./mounts.ts";
import type { Volumes } from "./volumes.ts";

const pauseMs = 10_000;
/** Looking for changes takes at most this part of one processor. */
const share = 1 / 50;

export interface BackgroundParts {
  readonly sandboxes: Sandboxes;
  readonly store: Store;
  readonly mounts: VolumeMounts;
  readonly volumes: Volumes;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

/** Commits what running sandboxes have written, again and again, and removes ephemeral volumes. Settles when the server stops. */
export async function backgroundCommits({ sandboxes, store, mounts, volumes, log, stopping }: BackgroundParts) {
  for (let pause = pauseMs; await slept(pause, stopping); ) {
    const began = performance.now();
    for (const id of store.volumeMounts.sandboxes()) {
      if (stopping.aborted) return;
      const live = sandboxes.live(id);
      if (live?.row.state !== "running" || live.ending.signal.aborted) continue;
      await mounts.commit(id, stopping).catch((error: unknown) => {
        const isOver = stopping.aborted || live.ending.signal.aborted || live.isFinished;
        if (!isOver) log.error({ sandboxId: id, err: error }, "cannot commit what a sandbox has written to a volume");
      });
    }
    await volumes.expire(Date.now()).catch((error: unknown) => log.error({ err: error }, "cannot remove a volume"));
    pause = Math.max(pauseMs, (performance.now() - began) / share);
  }
}

/** @returns false when it was cut short */
async function slept(pause: number, stopping: AbortSignal): Promise<boolean> {
  await sleep(pause, undefined, { signal: stopping }).catch(() => undefined);
  return !stopping.aborted;
}

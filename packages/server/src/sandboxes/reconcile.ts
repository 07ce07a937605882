import { rm } from "node:fs/promises";
import { join } from "node:path";
import { answersKeptMs } from "./answers.ts";
import type { Context } from "./context.ts";
import { destroy, end, lastWords } from "./ending.ts";
import type { LiveSandbox } from "./live-sandbox.ts";
import { type Facts, nextStep } from "./next-step.ts";

/** A timer of Node holds 2^31 ms at most; looking once a minute also absorbs a clock that was set. */
const longestSleepMs = 60_000;
const housekeepingMs = 30_000;

/**
 * The one loop that closes the gap between what sandboxes should be and what they are: time limits, ends, removals,
 * retention. Events only wake it, so that nothing depends on an event that a restart has swallowed.
 */
export class Reconciler {
  readonly #live: ReadonlyMap<string, LiveSandbox>;
  readonly #forget: (live: LiveSandbox) => void;
  readonly #context: Context;
  readonly #busy = new Map<LiveSandbox, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isAwake = false;
  #housekeepingAt = 0;
  #expiring: Promise<void> = Promise.resolve();

  constructor(live: ReadonlyMap<string, LiveSandbox>, context: Context, forget: (live: LiveSandbox) => void) {
    this.#live = live;
    this.#context = context;
    this.#forget = forget;
  }

  /** Has the loop run soon; any number of calls in one turn make one run. */
  wake(): void {
    if (this.#isAwake || this.#context.stopping.aborted) return;
    this.#isAwake = true;
    setImmediate(() => this.#run());
  }

  /** Stops and waits for what is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.allSettled([...this.#busy.values(), this.#expiring]);
  }

  #run(): void {
    this.#isAwake = false;
    if (this.#context.stopping.aborted) return;
    clearTimeout(this.#timer);
    const now = Date.now();
    let next = now + longestSleepMs;
    for (const live of this.#live.values()) next = Math.min(next, this.#step(live, now));
    if (now >= this.#housekeepingAt) this.#keepHouse(now);
    this.#timer = setTimeout(() => this.wake(), Math.max(1, next - now));
  }

  #step(live: LiveSandbox, now: number): number {
    const isKnown = live.row.state === "running" && !live.isAdopting;
    const processesAt = isKnown ? live.processes.enforceDeadlines(now) : Number.POSITIVE_INFINITY;
    const step = nextStep(this.#facts(live), now);
    if (step.act === "wait") return Math.min(step.until, processesAt);
    if (step.act === "end") this.#begin(live, () => end(live, step.result));
    if (step.act === "holder_gone") this.#begin(live, async () => end(live, await lastWords(live, step.end)));
    if (step.act === "destroy") this.#begin(live, () => destroy(live));
    if (step.act === "forget") this.#forget(live);
    return processesAt;
  }

  /** One thing at a time for each sandbox. */
  #begin(live: LiveSandbox, act: () => Promise<void>): void {
    const done = act()
      .catch((error: unknown) => {
        this.#context.log.error({ sandboxId: live.id, err: error }, "cannot reconcile a sandbox");
        live.retryAt = Date.now() + 1000;
      })
      .finally(() => {
        this.#busy.delete(live);
        this.wake();
      });
    this.#busy.set(live, done);
  }

  #facts(live: LiveSandbox): Facts {
    const { row } = live;
    return {
      ...row,
      ...row.spec,
      isBusy: this.#busy.has(live) || live.isAdopting || live.processes.isMainExiting,
      ending: row.ending ?? (live.ending.signal.aborted ? live.ending.signal.reason : undefined),
      mainResult: live.mainResult,
      holderEnd: live.holderEnd,
      hasRunningExec: live.processes.hasRunningExec,
      hasConnection: live.connections > 0,
      connectBy: live.connectBy,
      retryAt: live.retryAt,
    };
  }

  #keepHouse(now: number): void {
    this.#housekeepingAt = now + housekeepingMs;
    const { store, secrets, config, state, log, expireImages } = this.#context;
    store.answers.removeBefore(now - answersKeptMs);
    secrets.removeUnused(now);
    this.#expiring = expireImages(now).catch((error: unknown) => log.error({ err: error }, "cannot remove an image"));
    for (const id of store.sandboxes.expired(config.keepFinished, now - config.keepFinishedMs)) {
      if (this.#live.has(id)) continue;
      store.transaction(() => {
        store.answers.removeFor(id);
        store.sandboxes.remove(id);
      });
      rm(join(state.output, id), { recursive: true, force: true }).catch((error: unknown) => {
        log.error({ sandboxId: id, err: error }, "cannot remove the output of a sandbox");
      });
    }
  }
}

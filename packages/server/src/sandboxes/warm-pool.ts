/**
 * Holders prepared ahead of time, so that creating a sandbox is claiming one. They fit any image, command, environment and network policy; only the isolation level
 * is settled. A holder that is not taken belongs to no row: a daemon that starts later removes it as a stray.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Isolation } from "@atoll/protocol";
import type { Logger } from "pino";
import type { Holder } from "../engine/engine.ts";
import { randomText } from "../id.ts";
import { type InitHandler, InitLink } from "../init/link.ts";
import type { IsolationLevels } from "./isolation-levels.ts";

export interface WarmHolder {
  /** Names what the engine made, and becomes the sandbox's id. */
  readonly key: string;
  readonly holder: Holder;
  /** Connected; to be handed over. */
  readonly link: InitLink;
}

export interface WarmPoolOptions {
  readonly levels: IsolationLevels;
  /** Holds the control directories. */
  readonly runDirectory: string;
  /** Holders kept ready of each level. */
  readonly size: number;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

const prepareTimeoutMs = 30_000;
const destroyTimeoutMs = 30_000;
/** The machine's processors are the sandbox's that was just created, for a moment. */
const refillDelayMs = 20;
const retryDelayMs = 5_000;

export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #ready = new Map<Isolation, WarmHolder[]>();
  readonly #keys = new Set<string>();
  #available: readonly Isolation[] | undefined;
  #filling: Promise<void> | undefined;
  #removals = new Set<Promise<void>>();

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /** Keys of the holders that are being made, are ready, or are being removed. */
  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  count(isolation: Isolation): number {
    return this.#ready.get(isolation)?.length ?? 0;
  }

  /** A holder for the caller to keep; undefined when none is ready. */
  take(isolation: Isolation): WarmHolder | undefined {
    const warm = this.#ready.get(isolation)?.shift();
    if (warm) this.#keys.delete(warm.key);
    this.fill();
    return warm;
  }

  /** Makes what is missing in the background, one at a time. */
  fill(): void {
    if (this.#options.stopping.aborted) return;
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
      // Taken after the last look, or not made for a reason that may have passed by now.
      if (this.#missing() !== undefined) this.fill();
    });
  }

  /** Removes what is ready. The server is stopping by then, so that nothing new is made. */
  async close(): Promise<void> {
    await this.#filling;
    for (const [isolation, ready] of this.#ready) for (const warm of ready.splice(0)) this.#discard(isolation, warm);
    await Promise.all(this.#removals);
  }

  async #fill(): Promise<void> {
    const { levels, stopping, log } = this.#options;
    try {
      this.#available ??= (await levels.statuses()).filter((level) => level.available).map((level) => level.isolation);
      for (let missing = this.#missing(); missing !== undefined; missing = this.#missing()) {
        await sleep(refillDelayMs, undefined, { signal: stopping });
        await this.#add(missing);
      }
    } catch (error) {
      if (stopping.aborted) return;
      log.warn({ err: error }, "cannot prepare a sandbox ahead of time");
      await sleep(retryDelayMs, undefined, { signal: stopping, ref: false }).catch(() => undefined);
    }
  }

  /** A level of which too few are ready. */
  #missing(): Isolation | undefined {
    return this.#available?.find((isolation) => this.count(isolation) < this.#options.size);
  }

  async #add(isolation: Isolation): Promise<void> {
    const warm = await this.#prepare(isolation);
    const ready = this.#ready.get(isolation) ?? [];
    this.#ready.set(isolation, [...ready, warm]);
    warm.holder.gone.then(() => this.#drop(isolation, warm));
  }

  async #prepare(isolation: Isolation): Promise<WarmHolder> {
    const { levels, runDirectory, stopping } = this.#options;
    const key = randomText(22);
    const controlDirectory = join(runDirectory, key);
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(prepareTimeoutMs)]);
    this.#keys.add(key);
    await using unwind = new AsyncDisposableStack();
    unwind.defer(() => void this.#keys.delete(key));
    mkdirSync(controlDirectory);
    unwind.defer(() => rmSync(controlDirectory, { recursive: true, force: true }));
    const link = await InitLink.listen(join(controlDirectory, "control.sock"), untaken);
    unwind.defer(() => link.close());
    const engine = levels.engine(isolation);
    const holder = await engine.prepare({ key, controlDirectory }, signal);
    unwind.defer(() => engine.destroy(holder.record, AbortSignal.timeout(destroyTimeoutMs)));
    await link.whenConnected(signal);
    unwind.move();
    return { key, holder, link };
  }

  /** A holder that ended while nobody had taken it. */
  #drop(isolation: Isolation, warm: WarmHolder): void {
    const ready = this.#ready.get(isolation) ?? [];
    if (!ready.includes(warm)) return;
    this.#ready.set(
      isolation,
      ready.filter((other) => other !== warm),
    );
    this.#discard(isolation, warm);
    this.fill();
  }

  #discard(isolation: Isolation, warm: WarmHolder): void {
    const removal = this.#remove(isolation, warm).catch((error: unknown) => {
      this.#options.log.warn({ err: error, key: warm.key }, "cannot remove a sandbox prepared ahead of time");
    });
    this.#removals.add(removal);
    removal.finally(() => this.#removals.delete(removal));
  }

  async #remove(isolation: Isolation, { key, holder, link }: WarmHolder): Promise<void> {
    await link.close();
    await this.#options.levels.engine(isolation).destroy(holder.record, AbortSignal.timeout(destroyTimeoutMs));
    rmSync(join(this.#options.runDirectory, key), { recursive: true, force: true });
    this.#keys.delete(key);
  }
}

/** Nothing runs in a holder before it is taken, so there is nothing to hear but its connection. */
const untaken: InitHandler = {
  resume: () => [],
  connected: () => undefined,
  disconnected: () => undefined,
  started: () => undefined,
  startFailed: () => undefined,
  output: () => undefined,
  eof: () => undefined,
  exited: () => undefined,
  stdinAck: () => undefined,
  unknown: () => undefined,
  violated: () => undefined,
};

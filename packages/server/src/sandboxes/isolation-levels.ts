import type { Isolation, IsolationStatus } from "@atoll/protocol";
import type { Engine, EngineCheck, HolderRecord } from "../engine/engine.ts";
import { AtollError, messageOf } from "../error.ts";

/** Strongest first. */
const levels: readonly Isolation[] = ["gvisor", "container"];
const checkTimeoutMs = 60_000;

/** Which isolation levels work on this machine, found out by running a sandbox of each. */
export class IsolationLevels {
  readonly #engines: ReadonlyMap<Isolation, Engine>;
  readonly #checks: ReadonlyMap<Isolation, Promise<EngineCheck>>;

  constructor(engines: ReadonlyMap<Isolation, Engine>, signal: AbortSignal) {
    this.#engines = engines;
    this.#checks = new Map(levels.map((level) => [level, check(engines.get(level), signal)]));
  }

  engine(level: Isolation): Engine {
    const engine = this.#engines.get(level);
    if (engine) return engine;
    throw new AtollError(
      "isolation_unavailable",
      `cannot use the isolation level ${level}: this server has no engine for it`,
    );
  }

  /** See `Engine.reserve`. */
  reserve(record: HolderRecord): void {
    this.#engines.get(record.isolation)?.reserve(record);
  }

  /** The level asked for, or the strongest that works. @throws AtollError isolation_unavailable, which says why */
  async choose(wanted: Isolation | undefined): Promise<Isolation> {
    const statuses = await this.statuses();
    const found = statuses.find((status) => status.available && (wanted ?? status.isolation) === status.isolation);
    if (found) return found.isolation;
    const why = statuses.filter((status) => (wanted ?? status.isolation) === status.isolation);
    const reasons = why.map((status) => `${status.isolation}: ${status.detail}`).join("; ");
    throw new AtollError("isolation_unavailable", `cannot isolate a sandbox here: ${reasons}`);
  }

  statuses(): Promise<IsolationStatus[]> {
    return Promise.all(levels.map(async (isolation) => ({ isolation, ...(await this.#check(isolation)) })));
  }

  async default(): Promise<Isolation | undefined> {
    return (await this.statuses()).find((status) => status.available)?.isolation;
  }

  async #check(level: Isolation): Promise<EngineCheck> {
    return (await this.#checks.get(level)) ?? { available: false, detail: "not offered" };
  }
}

async function check(engine: Engine | undefined, signal: AbortSignal): Promise<EngineCheck> {
  if (!engine) return { available: false, detail: "this server has no engine for it" };
  try {
    return await engine.check(AbortSignal.any([signal, AbortSignal.timeout(checkTimeoutMs)]));
  } catch (error) {
    return { available: false, detail: messageOf(error) };
  }
}

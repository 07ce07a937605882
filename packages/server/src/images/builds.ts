/** Builds under way. The same one asked for twice is made once, and both who asked see all of it. */
import type {
  ErrorCode,
  ImageBuild,
  ImageBuildEvent,
  ImageBuildStarted,
  ImageLogEntry,
  Image as ImageView,
} from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import { Slots } from "../slots.ts";
import { BuildFailure } from "./build-failure.ts";
import type { BuildLogs } from "./build-logs.ts";
import type { Builder } from "./builder.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ContextOf, Plan } from "./planner.ts";
import { asAtollError, Telling } from "./telling.ts";
import { UnderWay } from "./under-way.ts";

const buildsAtOnce = 4;
/** How long a build that was only started goes on while nobody follows it. */
const followedWithinMs = 60_000;

/** Makes a plan; what is done for it is told of as it happens. */
export type Planned = (
  build: ImageBuild,
  tell: (event: ImageBuildEvent) => void,
  signal: AbortSignal,
  contextOf?: ContextOf,
) => Promise<Plan>;

export class Builds {
  readonly #builder: Builder;
  readonly #catalogue: Catalogue;
  readonly #logs: BuildLogs;
  readonly #planned: Planned;
  readonly #stopping: AbortSignal;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #running = new Set<Promise<void>>();
  readonly #slots = new Slots(buildsAtOnce);

  constructor(builder: Builder, catalogue: Catalogue, planned: Planned, logs: BuildLogs, stopping: AbortSignal) {
    this.#builder = builder;
    this.#catalogue = catalogue;
    this.#planned = planned;
    this.#logs = logs;
    this.#stopping = stopping;
  }

  /**
   * Builds, telling what happens as it happens; the last event is `image` or `failed`. A build that nobody watches any
   * more is given up.
   * @param contextOf finds contexts that are not among uploaded archives
   */
  async *build(build: ImageBuild, signal: AbortSignal, contextOf?: ContextOf): AsyncGenerator<ImageBuildEvent> {
    try {
      if (build.name !== undefined) this.#catalogue.checkName(build.name);
      const telling = new Telling<ImageBuildEvent>();
      const planning = telling.during((tell) => this.#planned(build, tell, signal, contextOf));
      yield* telling.events(signal);
      const plan = await planning;
      const cached = this.#builder.cached(plan);
      if (cached) yield* this.#allCached(plan, cached.id);
      else yield* this.#watch(this.#join(plan), build, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      yield failure(error);
    }
  }

  /** Builds for who wants no more than the image. @throws AtollError when it fails */
  async image(build: ImageBuild, signal: AbortSignal, contextOf?: ContextOf): Promise<ImageView> {
    for await (const event of this.build(build, signal, contextOf)) {
      if (event.event === "image") return event.image;
      // What was told of a failure came from an error of this server.
      if (event.event === "failed")
        throw new AtollError(event.error.code as ErrorCode, event.error.message, event.error.hint);
    }
    throw new Error("a build ends with an image, or a failure");
  }

  /**
   * Builds without anybody watching, for a minute at least: who is told the id follows it.
   * @throws AtollError when it cannot be begun
   */
  async start(build: ImageBuild, signal: AbortSignal, contextOf?: ContextOf): Promise<ImageBuildStarted> {
    if (build.name !== undefined) this.#catalogue.checkName(build.name);
    const plan = await this.#planned(build, () => undefined, signal, contextOf);
    const cached = this.#builder.cached(plan);
    if (cached) {
      if (build.name !== undefined) this.#catalogue.name(cached.id, build.name);
      return { image: cached.id, isBuilt: true };
    }
    const under = this.#join(plan);
    under.bePatient(followedWithinMs);
    return { image: under.imageId, isBuilt: false };
  }

  /**
   * What a build told, and tells, after that many events. Of an image that was not built here, it is the image alone.
   * @throws AtollError not_found
   */
  async follow(image: string, after: number, signal: AbortSignal): Promise<AsyncIterable<ImageLogEntry>> {
    const under = [...this.#underWay.values()].find(({ imageId }) => imageId === image);
    if (under) return under.watch(after, signal);
    const id = /^im-[0-9A-Za-z]{22}$/.test(image) ? image : this.#catalogue.view(image).id;
    if (await this.#logs.has(id)) return this.#logs.read(id, after);
    const entry: ImageLogEntry = { entry: 1, event: { event: "image", image: this.#catalogue.view(id) } };
    return oneEntry(entry, after);
  }

  /** Settles once nothing is under way; the server's stopping ends what is. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  *#allCached({ build, recipe, total, notes }: Plan, id: string): Generator<ImageBuildEvent> {
    yield* notes;
    for (const { number, text } of recipe.layerSteps)
      yield { event: "step", step: number, of: total, text, cached: true };
    yield this.#named(build, id);
  }

  #named(build: ImageBuild, id: string): ImageBuildEvent {
    // Naming it by the id it has already changes nothing, and answers with the image.
    const image = build.name === undefined ? this.#catalogue.view(id) : this.#catalogue.name(id, build.name);
    return { event: "image", image };
  }

  #join(plan: Plan): UnderWay {
    const { isolation, force, name } = plan.build;
    const key = JSON.stringify([plan.key, isolation, force ?? false]);
    const under = this.#underWay.get(key) ?? this.#begin(key, plan);
    if (name !== undefined) under.names.add(name);
    return under;
  }

  #begin(key: string, plan: Plan): UnderWay {
    const under = new UnderWay(newId("im"));
    this.#underWay.set(key, under);
    const running = this.#make(plan, under).finally(() => {
      this.#underWay.delete(key);
      this.#running.delete(running);
    });
    this.#running.add(running);
    return under;
  }

  async #make(plan: Plan, under: UnderWay): Promise<void> {
    const signal = AbortSignal.any([under.stopped, this.#stopping]);
    const last = await this.#lastEvent(plan, under, signal);
    // Whoever is told the end finds the log there.
    const { entries } = under;
    const kept = this.#logs.write(under.imageId, [
      ...entries,
      { entry: (entries.at(-1)?.entry ?? 0) + 1, event: last },
    ]);
    under.tell((await kept.then(() => undefined, failure)) ?? last);
    under.finish();
  }

  async #lastEvent(plan: Plan, under: UnderWay, signal: AbortSignal): Promise<ImageBuildEvent> {
    const tell = (event: ImageBuildEvent) => under.tell(event);
    plan.notes.forEach(tell);
    try {
      const make = () => this.#builder.make(plan, under.imageId, tell, signal);
      const image = await this.#slots.with(make, signal);
      for (const name of under.names) this.#catalogue.name(image.id, name);
      return { event: "image", image: this.#catalogue.view(image.id) };
    } catch (error) {
      return failure(error);
    }
  }

  async *#watch(under: UnderWay, build: ImageBuild, signal: AbortSignal): AsyncGenerator<ImageBuildEvent> {
    for await (const { event } of under.watch(0, signal)) {
      yield event.event === "image" ? this.#named(build, event.image.id) : event;
    }
  }
}

async function* oneEntry(entry: ImageLogEntry, after: number): AsyncGenerator<ImageLogEntry> {
  if (entry.entry > after) yield entry;
}

function failure(error: unknown): ImageBuildEvent {
  const known = asAtollError(error, "build");
  const told = { code: known.code, message: known.message, hint: known.hint };
  if (!(known instanceof BuildFailure)) return { event: "failed", error: told };
  const { step, text, exitCode, output } = known;
  return { event: "failed", error: told, step, text, exitCode, output: [...output] };
}

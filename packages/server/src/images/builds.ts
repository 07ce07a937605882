/** Builds under way. The same one asked for twice is made once, and both who asked see all of it. */
import type { ImageBuild, ImageBuildEvent } from "@atoll/protocol";
import { Change } from "../change.ts";
import { AtollError, messageOf } from "../error.ts";
import { Slots } from "../slots.ts";
import { BuildFailure } from "./build-failure.ts";
import type { Builder, Plan } from "./builder.ts";
import type { Catalogue } from "./catalogue.ts";

const buildsAtOnce = 4;
/** Beyond this, a late watcher misses the oldest output; what is kept is bounded. */
const keptEvents = 20_000;

interface UnderWay {
  readonly events: ImageBuildEvent[];
  /** How many of the oldest events are gone. */
  dropped: number;
  readonly changed: Change;
  readonly stop: AbortController;
  isOver: boolean;
  watchers: number;
}

export class Builds {
  readonly #builder: Builder;
  readonly #catalogue: Catalogue;
  readonly #stopping: AbortSignal;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #running = new Set<Promise<void>>();
  readonly #slots = new Slots(buildsAtOnce);

  constructor(builder: Builder, catalogue: Catalogue, stopping: AbortSignal) {
    this.#builder = builder;
    this.#catalogue = catalogue;
    this.#stopping = stopping;
  }

  /**
   * Builds, telling what happens as it happens; the last event is `image` or `failed`. A build that nobody watches any
   * more is given up.
   */
  async *build(build: ImageBuild, signal: AbortSignal): AsyncGenerator<ImageBuildEvent> {
    try {
      if (build.name !== undefined) this.#catalogue.checkName(build.name);
      const plan = await this.#builder.plan(build, signal);
      const cached = this.#builder.cached(plan);
      if (cached) yield* this.#allCached(plan, cached.id);
      else yield* this.#watch(this.#join(plan), build, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      yield failure(error);
    }
  }

  /** Settles once nothing is under way; the server's stopping ends what is. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  *#allCached({ build, recipe }: Plan, id: string): Generator<ImageBuildEvent> {
    for (const { number, text } of recipe.layerSteps)
      yield { event: "step", step: number, of: build.steps.length, text, cached: true };
    yield this.#named(build, id);
  }

  #named(build: ImageBuild, id: string): ImageBuildEvent {
    // Naming it by the id it has already changes nothing, and answers with the image.
    const image = build.name === undefined ? this.#catalogue.view(id) : this.#catalogue.name(id, build.name);
    return { event: "image", image };
  }

  #join(plan: Plan): UnderWay {
    const { isolation, force } = plan.build;
    const key = JSON.stringify([plan.recipe.key, isolation, force ?? false]);
    const there = this.#underWay.get(key);
    if (there) return there;
    const made: UnderWay = {
      events: [],
      dropped: 0,
      changed: new Change(),
      stop: new AbortController(),
      isOver: false,
      watchers: 0,
    };
    this.#underWay.set(key, made);
    const running = this.#make(plan, made).finally(() => {
      this.#underWay.delete(key);
      this.#running.delete(running);
    });
    this.#running.add(running);
    return made;
  }

  async #make(plan: Plan, under: UnderWay): Promise<void> {
    const signal = AbortSignal.any([under.stop.signal, this.#stopping]);
    const tell = (event: ImageBuildEvent) => {
      under.events.push(event);
      if (under.events.length > keptEvents) under.dropped += under.events.splice(0, keptEvents / 2).length;
      under.changed.announce();
    };
    try {
      const image = await this.#slots.with(() => this.#builder.make(plan, tell, signal), signal);
      tell({ event: "image", image });
    } catch (error) {
      tell(failure(error));
    } finally {
      under.isOver = true;
      under.changed.announce();
    }
  }

  async *#watch(under: UnderWay, build: ImageBuild, signal: AbortSignal): AsyncGenerator<ImageBuildEvent> {
    under.watchers += 1;
    try {
      for (let at = 0; ; ) {
        await under.changed.until(() => under.dropped + under.events.length > at || under.isOver, signal);
        at = Math.max(at, under.dropped);
        const event = under.events[at - under.dropped];
        if (!event) return;
        at += 1;
        yield event.event === "image" ? this.#named(build, event.image.id) : event;
      }
    } finally {
      under.watchers -= 1;
      if (under.watchers === 0) under.stop.abort(new Error("nobody waits for the build any more"));
    }
  }
}

function failure(error: unknown): ImageBuildEvent {
  const known = error instanceof AtollError ? error : new AtollError("internal", `cannot build: ${messageOf(error)}`);
  const told = { code: known.code, message: known.message, hint: known.hint };
  if (!(known instanceof BuildFailure)) return { event: "failed", error: told };
  const { step, text, exitCode, output } = known;
  return { event: "failed", error: told, step, text, exitCode, output: [...output] };
}

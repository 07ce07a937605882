/** Makes images, step by step, each in a sandbox of its own; what was made before is found again. */
import type { ImageBuild, ImageBuildEvent, Image as ImageView } from "@atoll/protocol";
import type { Logger } from "pino";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { LayerStore, RunHost } from "../layers/layer-store.ts";
import { makeDirectories, placeIn } from "../layers/place.ts";
import { unpack } from "../layers/unpack.ts";
import type { Store } from "../store/store.ts";
import { BuildFailure, failedStep } from "./build-failure.ts";
import { BuildSandbox, type BuildSandboxParts } from "./build-sandbox.ts";
import { checkDepth, type Stack } from "./catalogue.ts";
import type { Contents } from "./contents.ts";
import { type HostAccess, hostAccess } from "./host-access.ts";
import { argvOf, emptyConfig } from "./image-config.ts";
import { type LayerStep, type Recipe, recipeOf } from "./recipe.ts";

const unpackLimits = { bytes: 16 * 1024 ** 3, entries: 1_000_000 };
/** The last lines of a failed step that its error carries. */
const tailLines = 40;

export interface BuilderParts extends BuildSandboxParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly contents: Contents;
  readonly run: RunHost;
  readonly log: Logger;
}

export type OnEvent = (event: ImageBuildEvent) => void;

export class Builder {
  readonly #parts: BuilderParts;

  constructor(parts: BuilderParts) {
    this.#parts = parts;
  }

  /** What the build is, before anything is run. @throws AtollError not_found, unsupported */
  async plan(build: ImageBuild, signal: AbortSignal): Promise<Plan> {
    const base = await this.#base(build, signal);
    const recipe = recipeOf(base.layers, base.config, build.steps);
    checkDepth(base.layers.length + recipe.layerSteps.length);
    return { build, base, recipe };
  }

  /** The image, when the whole of it was built before. */
  cached({ build, recipe }: Plan): ImageView | undefined {
    return build.force ? undefined : this.#parts.catalogue.ofRecipe(recipe.key);
  }

  /** @param id of the image that it makes
   * @throws AtollError; BuildFailure when a step failed */
  async make(plan: Plan, id: string, onEvent: OnEvent, signal: AbortSignal): Promise<ImageView> {
    const { catalogue } = this.#parts;
    const { build, base, recipe } = plan;
    const run = new Run(this.#parts, plan, onEvent, signal);
    const stack = [...base.layers];
    using holds = new DisposableStack();
    holds.use(catalogue.hold(stack));
    for (const step of recipe.layerSteps) {
      const layer = await run.step(step, stack, (id) => holds.use(catalogue.hold([id])));
      if (layer !== null) stack.push(layer);
    }
    const origin = { kind: "build", of: "image" in build.from ? build.from.image : "scratch" } as const;
    return catalogue.insert({ id, layers: stack, config: recipe.config, origin, recipe: recipe.key });
  }

  async #base({ from }: ImageBuild, signal: AbortSignal): Promise<Stack> {
    if ("image" in from) return this.#parts.catalogue.stack(from.image, signal);
    if ("scratch" in from) return { id: "scratch", layers: [], config: emptyConfig };
    throw new AtollError(
      "unsupported",
      `cannot build from the registry's image ${from.registry}: pulling is not there`,
    );
  }
}

export interface Plan {
  readonly build: ImageBuild;
  readonly base: Stack;
  readonly recipe: Recipe;
}

/** One build under way. */
class Run {
  readonly #parts: BuilderParts;
  readonly #plan: Plan;
  readonly #onEvent: OnEvent;
  readonly #signal: AbortSignal;
  #access: Promise<HostAccess> | undefined;
  /** Once a step was run, so are all after it. */
  #isFresh: boolean;

  constructor(parts: BuilderParts, plan: Plan, onEvent: OnEvent, signal: AbortSignal) {
    this.#parts = parts;
    this.#plan = plan;
    this.#onEvent = onEvent;
    this.#signal = signal;
    this.#isFresh = plan.build.force ?? false;
  }

  /** @returns the layer it made, or made before; null when there was nothing to change */
  async step(step: LayerStep, stack: readonly string[], hold: (id: string) => void): Promise<string | null> {
    const { store } = this.#parts;
    const cached = this.#isFresh ? undefined : store.layers.ofStep(step.key);
    if (typeof cached === "string") hold(cached);
    const { number, text } = step;
    const isCached = cached !== undefined;
    this.#onEvent({ event: "step", step: number, of: this.#plan.build.steps.length, text, cached: isCached });
    if (isCached) return cached;
    this.#isFresh = true;
    const began = performance.now();
    const layer = await this.#make(step, stack, hold);
    this.#onEvent({ event: "finished", step: number, durationMs: Math.round(performance.now() - began) });
    return layer;
  }

  async #make(step: LayerStep, stack: readonly string[], hold: (id: string) => void): Promise<string | null> {
    const { layers, store } = this.#parts;
    if ("workdir" in step.step && (await this.#exists(step.step.workdir, stack))) {
      store.layers.cacheStep(step.key, null);
      return null;
    }
    const id = `ly-${randomText(22)}`;
    const sizeBytes = await layers.make(id, (directory) => this.#fill(step, stack, directory), this.#signal);
    hold(id);
    store.durably(() => {
      store.layers.insert({ id, sizeBytes, createdAt: Date.now() });
      store.layers.cacheStep(step.key, id);
    });
    layers.release(id);
    return id;
  }

  #fill(step: LayerStep, stack: readonly string[], directory: string): Promise<void> {
    const { step: what } = step;
    if ("run" in what) return this.#runCommand(step, what, stack, directory);
    return this.#below(stack, async (below) => {
      const path = "workdir" in what ? what.workdir : what.path;
      const place = await placeIn(below, path);
      await makeDirectories(directory, below, place.path);
      if ("add" in what) await this.#unpack(what.add, directory, place.path);
    });
  }

  async #unpack(digest: string, layer: string, path: string): Promise<void> {
    const source = await this.#parts.contents.read(digest);
    const options = { limits: unpackLimits, hasWhiteouts: false };
    await unpack(this.#parts.layers, source, `${layer}/${path}`, `${layer}.tar`, options, this.#signal);
  }

  #exists(path: string, stack: readonly string[]): Promise<boolean> {
    return this.#below(stack, async (below) => (await placeIn(below, path)).exists);
  }

  #below<T>(stack: readonly string[], use: (root: string) => Promise<T>): Promise<T> {
    return this.#parts.layers.withMounted(stack, use, this.#signal);
  }

  async #runCommand(
    step: LayerStep,
    what: Extract<LayerStep["step"], { run: unknown }>,
    stack: readonly string[],
    directory: string,
  ): Promise<void> {
    const { run, log } = this.#parts;
    this.#access ??= hostAccess(run, process.env, this.#signal);
    const access = await this.#access;
    const tail: string[] = [];
    const onLine = (stream: "stdout" | "stderr", line: string) => {
      tail.push(line);
      if (tail.length > tailLines) tail.shift();
      this.#onEvent({ event: "output", step: step.number, stream, line });
    };
    const { config } = step;
    const command = {
      argv: argvOf(config, what.run),
      env: { ...config.env, ...access.environment, ...what.env },
      secrets: what.secrets ?? [],
      workdir: config.workdir,
      user: config.user,
    };
    const { isolation } = this.#plan.build;
    const use = async (sandbox: BuildSandbox) => {
      for (const { path, content } of access.files)
        if (!(await sandbox.write(path, content, this.#signal))) log.debug({ path }, "the image cannot take a file");
      const result = await sandbox.run(command, onLine, this.#signal);
      if (result.exitCode !== 0) throw failedStep(step, result, tail);
      await sandbox.copyWritten(directory, this.#signal);
    };
    await BuildSandbox.with(this.#parts, stack, isolation, use, this.#signal);
  }
}

export { BuildFailure };

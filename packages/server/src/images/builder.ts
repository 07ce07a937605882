/** Makes images, step by step, each in a sandbox of its own; what was made before is found again. */
import type { ImageBuildEvent, Image as ImageView } from "@atoll/protocol";
import type { Logger } from "pino";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { LayerStore, RunHost } from "../layers/layer-store.ts";
import { makeDirectories, placeIn } from "../layers/place.ts";
import { unpack } from "../layers/unpack.ts";
import type { Store } from "../store/store.ts";
import { inlineTree } from "./archive-tree.ts";
import { BuildFailure, failedStep } from "./build-failure.ts";
import { BuildSandbox, type BuildSandboxParts } from "./build-sandbox.ts";
import type { Contents } from "./contents.ts";
import { copyTar } from "./copy-into.ts";
import { findSources } from "./find-sources.ts";
import { type HostAccess, hostAccess } from "./host-access.ts";
import { argvOf } from "./image-config.ts";
import { ownerOf } from "./image-user.ts";
import { MountedTree } from "./mounted-tree.ts";
import type { Plan } from "./planner.ts";
import type { Copy, LayerStep, Recipe } from "./recipe.ts";
import type { SourceTree } from "./source-tree.ts";

const unpackLimits = { bytes: 16 * 1024 ** 3, entries: 1_000_000 };
/** The last lines of a failed step that its error carries. */
const tailLines = 40;
const root = { uid: 0, gid: 0 };

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

  /** The image, when the whole of it was built before. */
  cached({ build, key, of }: Plan): ImageView | undefined {
    // What was pulled, and not gone on from, is the image itself.
    if ("registry" in build.from && build.steps.length === 0 && of.startsWith("im-"))
      return this.#parts.catalogue.view(of);
    return build.force ? undefined : this.#parts.catalogue.ofRecipe(key);
  }

  /** @param id of the image that it makes
   * @throws AtollError; BuildFailure when a step failed */
  async make(plan: Plan, id: string, onEvent: OnEvent, signal: AbortSignal): Promise<ImageView> {
    const { catalogue } = this.#parts;
    using holds = new DisposableStack();
    const hold = (ids: readonly string[]) => void holds.use(catalogue.hold(ids));
    const layers = await new Run(this.#parts, plan, onEvent, hold, signal).layersOf(plan.recipe);
    const origin = { kind: "build", of: plan.of } as const;
    return catalogue.insert({ id, layers, config: plan.recipe.config, origin, recipe: plan.key });
  }
}

/** One build under way. */
class Run {
  readonly #parts: BuilderParts;
  readonly #plan: Plan;
  readonly #onEvent: OnEvent;
  readonly #signal: AbortSignal;
  readonly #hold: (ids: readonly string[]) => void;
  /** Layers of steps that were told of in this build, by their keys: stages may share some. */
  readonly #done = new Map<string, string | null>();
  #access: Promise<HostAccess> | undefined;
  /** Stacks that steps copy from, by the steps' keys. */
  readonly #sources = new Map<string, readonly string[]>();

  constructor(
    parts: BuilderParts,
    plan: Plan,
    onEvent: OnEvent,
    hold: (ids: readonly string[]) => void,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#plan = plan;
    this.#onEvent = onEvent;
    this.#hold = hold;
    this.#signal = signal;
  }

  /** Makes, or finds, what a recipe leads to. */
  async layersOf({ base, layerSteps }: Recipe): Promise<string[]> {
    const stack = [...base];
    this.#hold(stack);
    let isFresh = this.#plan.build.force ?? false;
    for (const step of layerSteps) {
      if ("copy" in step.step && "recipe" in step.step.copy.from && !this.#isFound(step, isFresh))
        this.#sources.set(step.key, await this.layersOf(step.step.copy.from.recipe));
      const made = await this.#step(step, stack, isFresh);
      isFresh ||= !made.isCached;
      if (made.layer !== null) stack.push(made.layer);
    }
    return stack;
  }

  #isFound({ key }: LayerStep, isFresh: boolean): boolean {
    return this.#done.has(key) || (!isFresh && this.#parts.store.layers.ofStep(key) !== undefined);
  }

  /** @returns the layer it made, or made before; null when there was nothing to change */
  async #step(step: LayerStep, stack: readonly string[], isFresh: boolean) {
    const { store } = this.#parts;
    const done = this.#done.get(step.key);
    if (done !== undefined) return { layer: done, isCached: !isFresh };
    const cached = isFresh ? undefined : store.layers.ofStep(step.key);
    if (typeof cached === "string") this.#hold([cached]);
    const { number, text } = step;
    const isCached = cached !== undefined;
    this.#onEvent({ event: "step", step: number, of: this.#plan.total, text, cached: isCached });
    const began = performance.now();
    const layer = isCached ? cached : await this.#make(step, stack);
    this.#done.set(step.key, layer);
    if (!isCached) {
      this.#onEvent({ event: "finished", step: number, durationMs: Math.round(performance.now() - began) });
    }
    return { layer, isCached };
  }

  async #make(step: LayerStep, stack: readonly string[]): Promise<string | null> {
    const { layers, store } = this.#parts;
    if ("workdir" in step.step && (await this.#exists(step.step.workdir, stack))) {
      store.layers.cacheStep(step.key, null);
      return null;
    }
    const id = `ly-${randomText(22)}`;
    const sizeBytes = await layers.make(id, (directory) => this.#fill(step, stack, directory), this.#signal);
    this.#hold([id]);
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
    if ("copy" in what) return this.#copy(step, what.copy, stack, directory);
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

  async #copy(step: LayerStep, copy: Copy, stack: readonly string[], layer: string): Promise<void> {
    const { layers } = this.#parts;
    const copyFrom = (tree: SourceTree) =>
      this.#below(stack, async (below) => {
        const { found, missing } = await findSources(tree, copy.sources.length > 0 ? copy.sources : ["*"]);
        if (missing !== undefined)
          throw new AtollError(
            "invalid_argument",
            `cannot build the image: step ${step.number}, ${step.text}: there is no ${missing}`,
          );
        const owner = copy.chown === undefined ? undefined : await ownerOf(below, copy.chown);
        const isFromContext = "context" in copy.from || "inline" in copy.from;
        const target = { ...copy, below, owner: owner ?? (isFromContext ? root : undefined) };
        const options = { limits: unpackLimits, hasWhiteouts: false };
        await unpack(layers, copyTar(tree, found, target), layer, `${layer}.tar`, options, this.#signal);
      });
    const { from } = copy;
    if ("context" in from) return copyFrom(await this.#plan.contextOf(from.context, this.#signal));
    if ("inline" in from) return copyFrom(inlineTree(from.inline));
    return this.#below(this.#sources.get(step.key) ?? [], (mounted) => copyFrom(new MountedTree(mounted)));
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

/** What a build is, before anything is run: Dockerfiles are read, bases found, and what is copied identified. */
import type { ImageBuild, ImageBuildEvent, ImageSource, ImageStep } from "@atoll/protocol";
import type { Bases, Tell } from "./bases.ts";
import { checkDepth, type Stack } from "./catalogue.ts";
import { badLine } from "./dockerfile/dockerfile-error.ts";
import { type CopyRequest, type DockerStep, evaluate } from "./dockerfile/evaluate.ts";
import type { Instruction } from "./dockerfile/instruction.ts";
import {
  type Dockerfile,
  parseCommands,
  parseDockerfile,
  type Stage,
  stageNamed,
  targetStage,
} from "./dockerfile/stages.ts";
import { contentKey, findSources } from "./find-sources.ts";
import {
  type Copy,
  digestOf,
  imageKey,
  type PlanStep,
  type Recipe,
  startRecipe,
  stepText,
  withStep,
} from "./recipe.ts";
import { architecture } from "./registry/architecture.ts";
import type { SourceTree } from "./source-tree.ts";

/** A context by the name that the build has for it. */
export type ContextOf = (context: string, signal: AbortSignal) => Promise<SourceTree>;

export interface Plan {
  readonly build: ImageBuild;
  readonly recipe: Recipe;
  /** Identifies the image. */
  readonly key: string;
  /** What it starts from, as it is told. */
  readonly of: string;
  /** What was found out that who reads the build's output should know. */
  readonly notes: readonly ImageBuildEvent[];
  /** Steps of all stages. */
  readonly total: number;
  readonly contextOf: ContextOf;
}

export interface PlanOptions {
  readonly tell: Tell;
  readonly contextOf: ContextOf;
  readonly signal: AbortSignal;
}

type FromDockerfile = Extract<ImageSource, { dockerfile: string }>;
/** The Dockerfile that instructions are of, their stage, and what earlier stages came to. */
interface Stages {
  readonly file: Dockerfile;
  readonly stage: Stage;
  readonly done: Map<number, Recipe>;
}
type Options = Omit<FromDockerfile, "dockerfile" | "target">;

/** @throws AtollError not_found, unsupported, invalid_argument; whatever pulling a base throws */
export async function planBuild(bases: Bases, build: ImageBuild, options: PlanOptions): Promise<Plan> {
  return new Planning(bases, build, options).plan();
}

class Planning {
  readonly #bases: Bases;
  readonly #build: ImageBuild;
  readonly #options: PlanOptions;
  #number = 0;
  #of = "scratch";
  readonly #notes: ImageBuildEvent[] = [];

  constructor(bases: Bases, build: ImageBuild, options: PlanOptions) {
    this.#bases = bases;
    this.#build = build;
    this.#options = options;
  }

  async plan(): Promise<Plan> {
    const { steps } = this.#build;
    let recipe = await this.#source(this.#build.from);
    for (const step of steps) recipe = await this.#step(recipe, step);
    checkDepth(recipe.base.length + recipe.layerSteps.length);
    const { contextOf } = this.#options;
    return {
      build: this.#build,
      recipe,
      key: imageKey(recipe),
      of: this.#of,
      total: this.#number,
      notes: this.#notes,
      contextOf,
    };
  }

  async #source(from: ImageSource): Promise<Recipe> {
    const { signal } = this.#options;
    if ("image" in from) return this.#from(await this.#bases.image(from.image, signal));
    if ("scratch" in from) return this.#from(this.#bases.scratch());
    if ("pythonVersion" in from)
      return this.#from(await this.#bases.debianSlim(from.pythonVersion, this.#pull(undefined)));
    if ("registry" in from) return this.#from(await this.#bases.registry(from.registry, this.#pull(from.secret)));
    const file = parseDockerfile(from.dockerfile, from.args ?? {}, platform);
    return this.#stage(file, targetStage(file, from.target), from, new Map());
  }

  #from({ id, layers, config }: Stack): Recipe {
    this.#of = id;
    return startRecipe(layers, config);
  }

  #pull(secret: string | undefined) {
    const { signal } = this.#options;
    const tell = (event: ImageBuildEvent) =>
      event.event === "note" ? void this.#notes.push(event) : this.#options.tell(event);
    return { secret, force: this.#build.force ?? false, tell, signal };
  }

  async #step(recipe: Recipe, step: ImageStep): Promise<Recipe> {
    if (!("commands" in step)) return this.#with(recipe, step, stepText(step));
    return this.#instructions(recipe, parseCommands(step.commands), step, platform, undefined);
  }

  #with(recipe: Recipe, step: PlanStep, text: string): Recipe {
    this.#number += 1;
    return withStep(recipe, step, this.#number, text);
  }

  /** Each stage once, and those alone that the wanted one needs. */
  async #stage(file: Dockerfile, stage: Stage, options: Options, done: Map<number, Recipe>): Promise<Recipe> {
    const known = done.get(stage.index);
    if (known) return known;
    const start = await this.#start(file, stage, options, done);
    const globals = { ...platform, ...file.globals };
    const copies = { file, stage, done };
    const recipe = await this.#instructions(start, stage.instructions, options, globals, copies);
    done.set(stage.index, recipe);
    return recipe;
  }

  async #start(file: Dockerfile, stage: Stage, options: Options, done: Map<number, Recipe>): Promise<Recipe> {
    const { from, index } = stage;
    const image = options.images?.[from];
    if (image !== undefined) return this.#from(await this.#bases.image(image, this.#options.signal));
    const earlier = stageNamed(file.stages.slice(0, index), from);
    if (earlier?.name !== undefined) return this.#stage(file, earlier, options, done);
    if (from === "scratch") return this.#from(this.#bases.scratch());
    return this.#from(await this.#bases.named(from, this.#pull(options.registrySecret)));
  }

  async #instructions(
    start: Recipe,
    instructions: readonly Instruction[],
    options: Options,
    globals: Readonly<Record<string, string | undefined>>,
    stages: Stages | undefined,
  ): Promise<Recipe> {
    let recipe = start;
    const given = options.args ?? {};
    for (const step of evaluate(instructions, { config: start.config, globals, given })) {
      recipe = this.#with(recipe, await this.#planned(step, options, stages), step.text);
    }
    return recipe;
  }

  async #planned(step: DockerStep, options: Options, stages: Stages | undefined): Promise<PlanStep> {
    if ("config" in step) return { config: step.config };
    if ("workdir" in step) return { workdir: step.workdir };
    if ("copy" in step) {
      const copying = this.#copying(step.line, step.copy, options, stages);
      return { copy: { ...step.copy, ...(await copying) } };
    }
    const { command, env } = step.run;
    return {
      run: typeof command === "string" ? command : [...command],
      env: { ...env, ...options.env },
      ...(options.secrets && { secrets: options.secrets }),
    };
  }

  async #copying(
    line: number,
    { from, sources, inline }: CopyRequest,
    options: Options,
    stages: Stages | undefined,
  ): Promise<Pick<Copy, "from" | "key">> {
    if (from !== undefined) {
      const recipe = await this.#otherRecipe(from, options, stages);
      return { from: { recipe }, key: digestOf(["stage", recipe.key, sources]) };
    }
    if (inline.length > 0) {
      if (sources.length > 0) throw badLine(line, "files and heredocs cannot be copied together", "Use two lines.");
      return { from: { inline }, key: digestOf(["inline", inline]) };
    }
    const { context } = options;
    if (context === undefined) {
      throw badLine(line, "there is no context to copy from", "Give the build a context directory.");
    }
    const tree = await this.#options.contextOf(context, this.#options.signal);
    const { found, missing } = await findSources(tree, sources);
    if (missing !== undefined) {
      throw badLine(line, `the context has no ${missing}`, "Check the path, and .dockerignore.");
    }
    return { from: { context }, key: digestOf(["context", await contentKey(tree, found)]) };
  }

  async #otherRecipe(from: string, options: Options, stages: Stages | undefined): Promise<Recipe> {
    const earlier = stages && stageNamed(stages.file.stages.slice(0, stages.stage.index), from);
    if (stages && earlier) return this.#keepingOf(() => this.#stage(stages.file, earlier, options, stages.done));
    const image = options.images?.[from];
    const stack =
      image === undefined
        ? await this.#bases.named(from, this.#pull(options.registrySecret))
        : await this.#bases.image(image, this.#options.signal);
    return startRecipe(stack.layers, stack.config);
  }

  /** A stage that is copied from is not what the image starts from. */
  async #keepingOf<T>(use: () => Promise<T>): Promise<T> {
    const of = this.#of;
    try {
      return await use();
    } finally {
      this.#of = of;
    }
  }
}

/** What Dockerfiles may ask of the platform. */
const platform = {
  TARGETPLATFORM: `linux/${architecture}`,
  TARGETOS: "linux",
  TARGETARCH: architecture,
  BUILDPLATFORM: `linux/${architecture}`,
  BUILDOS: "linux",
  BUILDARCH: architecture,
};

/** What is done to make an image, and the keys under which each part of it is found again: pure. */
import { createHash } from "node:crypto";
import type { ImageConfig, ImageStep } from "@atoll/protocol";
import { configAfter } from "./image-config.ts";

/** Files of a context or of another stack, to be copied. */
export interface Copy {
  readonly from:
    | { readonly context: string }
    | { readonly recipe: Recipe }
    | { readonly inline: readonly { readonly name: string; readonly content: string }[] };
  /** Patterns, relative to the root of what is copied from. */
  readonly sources: readonly string[];
  /** Absolute. */
  readonly path: string;
  readonly isDirectory: boolean;
  readonly chown: string | undefined;
  readonly mode: number | undefined;
  readonly unpacks: boolean;
  /** Identifies what is copied. */
  readonly key: string;
}

type OwnStep = Exclude<ImageStep, { commands: string }>;
/** A step as it is made, whatever language it was said in. */
export type PlanStep = OwnStep | { readonly copy: Copy } | { readonly config: ImageConfig };
type LayerKind = Extract<PlanStep, { run: unknown } | { add: unknown } | { workdir: unknown } | { copy: unknown }>;

/** A step that makes a layer, or none when it finds nothing to change. */
export interface LayerStep {
  /** Counted from 1, among all steps. */
  readonly number: number;
  readonly step: LayerKind;
  readonly text: string;
  /** What the step starts with. */
  readonly config: ImageConfig;
  /** Of the step and everything before it. */
  readonly key: string;
}

export interface Recipe {
  /** Ids of the layers that the first step starts from. */
  readonly base: readonly string[];
  readonly layerSteps: readonly LayerStep[];
  readonly config: ImageConfig;
  /** Of everything that makes layers. */
  readonly key: string;
}

export function startRecipe(base: readonly string[], config: ImageConfig): Recipe {
  return { base, layerSteps: [], config, key: digestOf(["base", ...base]) };
}

export function withStep(recipe: Recipe, step: PlanStep, number: number, text: string): Recipe {
  const { config } = recipe;
  const next = "config" in step ? step.config : "copy" in step ? config : (configAfter(config, step) ?? config);
  if (!isLayerStep(step)) return { ...recipe, config: next };
  const key = digestOf([recipe.key, keyedStep(step), "run" in step ? keyedConfig(config) : null]);
  const layerStep = { number, step, text, config, key };
  return { ...recipe, layerSteps: [...recipe.layerSteps, layerStep], config: next, key };
}

/** Identifies the image as a whole. */
export function imageKey({ key, config }: Recipe): string {
  return digestOf([key, "image", sorted(config.env), config]);
}

function isLayerStep(step: PlanStep): step is LayerKind {
  return "run" in step || "add" in step || "workdir" in step || "copy" in step;
}

/** Values of secrets are not part of it: a step does not run again because a password was changed. */
function keyedStep(step: LayerKind): unknown {
  if ("run" in step) return ["run", step.run, sorted(step.env ?? {}), step.secrets ?? []];
  if ("add" in step) return ["add", step.add, step.path];
  if ("workdir" in step) return ["workdir", step.workdir];
  const { key, path, isDirectory, chown, mode, unpacks } = step.copy;
  return ["copy", key, path, isDirectory, chown ?? null, mode ?? null, unpacks];
}

function keyedConfig({ env, workdir, user, shell }: ImageConfig): unknown {
  return [sorted(env), workdir ?? null, user ?? null, shell ?? null];
}

function sorted(values: Readonly<Record<string, string>>): unknown {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}

export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** How a step is shown. */
export function stepText(step: OwnStep): string {
  if ("run" in step) return `run ${typeof step.run === "string" ? step.run : JSON.stringify(step.run)}`;
  if ("add" in step) return `add ${step.text ?? step.add.slice(0, 19)} to ${step.path}`;
  if ("env" in step) return `env ${Object.keys(step.env).join(" ")}`;
  if ("workdir" in step) return `workdir ${step.workdir}`;
  if ("user" in step) return `user ${step.user}`;
  if ("entrypoint" in step) return `entrypoint ${JSON.stringify(step.entrypoint)}`;
  return "cmd" in step ? `cmd ${JSON.stringify(step.cmd)}` : `shell ${JSON.stringify(step.shell)}`;
}

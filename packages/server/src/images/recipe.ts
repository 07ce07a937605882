/** What is done to make an image, and the keys under which each part of it is found again: pure. */
import { createHash } from "node:crypto";
import type { ImageConfig, ImageStep } from "@atoll/protocol";
import { configAfter } from "./image-config.ts";

/** A step that makes a layer, or none when it finds nothing to change. */
export interface LayerStep {
  /** Counted from 1, among all steps. */
  readonly number: number;
  readonly step: Extract<ImageStep, { run: unknown } | { add: unknown } | { workdir: unknown }>;
  readonly text: string;
  /** What the step starts with. */
  readonly config: ImageConfig;
  /** Of the step and everything before it. */
  readonly key: string;
}

export interface Recipe {
  readonly layerSteps: readonly LayerStep[];
  readonly config: ImageConfig;
  /** Of the whole. */
  readonly key: string;
}

/** @param base what identifies the stack that the first step starts from */
export function recipeOf(base: readonly string[], config: ImageConfig, steps: readonly ImageStep[]): Recipe {
  const layerSteps: LayerStep[] = [];
  let key = digestOf(["base", ...base]);
  let now = config;
  for (const [index, step] of steps.entries()) {
    const next = configAfter(now, step);
    if ("run" in step || "add" in step || "workdir" in step) {
      key = digestOf([key, keyedStep(step), "run" in step ? keyedConfig(now) : null]);
      layerSteps.push({ number: index + 1, step, text: stepText(step), config: now, key });
    }
    now = next ?? now;
  }
  return { layerSteps, config: now, key: digestOf([key, "image", sorted(now.env), now]) };
}

/** Values of secrets are not part of it: a step does not run again because a password was changed. */
function keyedStep(step: LayerStep["step"]): unknown {
  if ("run" in step) return ["run", step.run, sorted(step.env ?? {}), step.secrets ?? []];
  return "add" in step ? ["add", step.add, step.path] : ["workdir", step.workdir];
}

function keyedConfig({ env, workdir, user, shell }: ImageConfig): unknown {
  return [sorted(env), workdir ?? null, user ?? null, shell ?? null];
}

function sorted(values: Readonly<Record<string, string>>): unknown {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** How a step is shown. */
export function stepText(step: ImageStep): string {
  if ("run" in step) return `run ${typeof step.run === "string" ? step.run : JSON.stringify(step.run)}`;
  if ("add" in step) return `add ${step.text ?? step.add.slice(0, 19)} to ${step.path}`;
  if ("env" in step) return `env ${Object.keys(step.env).join(" ")}`;
  if ("workdir" in step) return `workdir ${step.workdir}`;
  if ("user" in step) return `user ${step.user}`;
  if ("entrypoint" in step) return `entrypoint ${JSON.stringify(step.entrypoint)}`;
  return "cmd" in step ? `cmd ${JSON.stringify(step.cmd)}` : `shell ${JSON.stringify(step.shell)}`;
}

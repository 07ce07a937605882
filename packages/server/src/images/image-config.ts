/** What processes of an image start with, as pure functions. */
import type { ImageConfig, ImageStep } from "@atoll/protocol";

export const emptyConfig: ImageConfig = { env: {} };
const normalShell = ["/bin/sh", "-c"];

/** The configuration after a step that changes nothing else; undefined for a step that makes a layer. */
export function configAfter(
  config: ImageConfig,
  step: Exclude<ImageStep, { commands: string }>,
): ImageConfig | undefined {
  if ("run" in step || "add" in step) return undefined;
  if ("env" in step) return { ...config, env: { ...config.env, ...step.env } };
  if ("user" in step) return { ...config, user: step.user };
  // As in a Dockerfile: a command that was meant for another entrypoint means nothing to this one.
  if ("entrypoint" in step) return without({ ...config, entrypoint: step.entrypoint }, "cmd");
  if ("cmd" in step) return { ...config, cmd: step.cmd };
  if ("shell" in step) return { ...config, shell: step.shell };
  return { ...config, workdir: step.workdir };
}

function without(config: ImageConfig, key: "cmd"): ImageConfig {
  const { [key]: _left, ...rest } = config;
  return rest;
}

/** What a `run` step executes. */
export function argvOf(config: ImageConfig, run: string | readonly string[]): string[] {
  return typeof run === "string" ? [...(config.shell ?? normalShell), run] : [...run];
}

/** What a sandbox runs: the entrypoint before what its creator asked for, or before the image's own command. */
export function commandOf(config: ImageConfig, asked: readonly string[] | undefined): string[] {
  return [...(config.entrypoint ?? []), ...(asked ?? config.cmd ?? [])];
}

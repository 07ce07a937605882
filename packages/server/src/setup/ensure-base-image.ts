/** Keeps the default image at `<state>/store/layers/<recipe name>`, made once. */
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { makeBaseImage, removeTree } from "./base-image.ts";
import type { Recipe } from "./base-image-recipe.ts";
import type { Step } from "./progress.ts";
import { runProgram } from "./run-program.ts";

const partialSuffix = ".partial";

export function layersDirectory(stateDirectory: string): string {
  return join(stateDirectory, "store/layers");
}

export async function findBaseImage(stateDirectory: string, recipe: Recipe): Promise<string | undefined> {
  const directory = layersDirectory(stateDirectory);
  const entries = await readdir(directory).catch((): string[] => []);
  return entries.includes(recipe.name) ? join(directory, recipe.name) : undefined;
}

/**
 * Makes the image if it is not there. The caller holds the set-up lock, so anything partial was interrupted.
 * With ATOLL_BASE_IMAGE_CACHE set to a layers directory of another state directory, a finished image there is used.
 */
export async function ensureBaseImage(stateDirectory: string, recipe: Recipe, step: Step, signal: AbortSignal) {
  const directory = layersDirectory(stateDirectory);
  await mkdir(directory, { recursive: true });
  for (const entry of await readdir(directory)) {
    if (entry.startsWith("base-") && entry.endsWith(partialSuffix)) await removeTree(join(directory, entry));
  }
  const partial = join(directory, `${recipe.name}${partialSuffix}`);
  if (!(await copyFromCache(recipe, partial, signal))) {
    await makeBaseImage({ recipe, targetDirectory: partial, signal, step });
  }
  await rename(partial, join(directory, recipe.name));
}

async function copyFromCache(recipe: Recipe, target: string, signal: AbortSignal): Promise<boolean> {
  const cache = process.env.ATOLL_BASE_IMAGE_CACHE;
  if (!cache) return false;
  const entries = await readdir(cache).catch((): string[] => []);
  if (!entries.includes(recipe.name)) return false;
  // A layer is never written to, so files may be shared; across file systems they are copied.
  for (const how of ["--link", "--reflink=auto"]) {
    const copy = await runProgram(["cp", "-a", how, "--", join(cache, recipe.name), target], { signal });
    if (copy.exitCode === 0) return true;
    await removeTree(target);
  }
  return false;
}

import { setTimeout as sleep } from "node:timers/promises";
import { ConflictError, Image } from "@atoll/sdk";
import type { Bench } from "../bench.ts";
import { createToFirstByte } from "../sandboxed.ts";

export const about = "from the call of create to the first byte, by how many layers were put on the base image";

const depths = [1, 10, 50];
const mergeLimitMs = 300_000;
const lookMs = 500;
/** What the server leaves as it is. */
const shallow = 24;

export async function measure(bench: Bench): Promise<void> {
  const images = await Promise.all(depths.map(imageOf));
  try {
    for (const level of bench.levels) {
      const create = (image?: string) => () => createToFirstByte(["printf", "x"], level, image);
      const measurements = images.map(({ id }, index) => [`${depths[index]} layers above it`, create(id)] as const);
      await bench.compare(`create from a deep image, ${level}`, "ms", {
        "the base image": create(),
        ...Object.fromEntries(measurements),
      });
    }
  } finally {
    for (const { id } of images) await removeUnused(id);
  }
}

/** Its last sandboxes are being removed. */
async function removeUnused(id: string): Promise<void> {
  for (;;) {
    try {
      return await Image.delete(id);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      await sleep(lookMs);
    }
  }
}

/** Made of as many steps, and merged if the server does so. */
async function imageOf(depth: number): Promise<{ readonly id: string }> {
  let image = Image.debianSlim();
  for (let step = 1; step <= depth; step += 1) image = image.workdir(`/depth-${depth}/${step}`);
  const { id } = await image.build();
  for (const deadline = Date.now() + mergeLimitMs; Date.now() < deadline; ) {
    if ((await Image.info(id)).layers.length <= shallow) return { id };
    await sleep(lookMs);
  }
  throw new Error(`cannot measure: the image of ${depth} layers was not merged`);
}

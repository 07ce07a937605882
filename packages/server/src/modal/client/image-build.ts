import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { ImageBuild } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { ContextOf } from "../../images/planner.ts";
import { digestOf } from "../content-ids.ts";
import type { Core } from "../core.ts";
import type { Image, ImageContextFile } from "../generated/images_pb.ts";
import { imageOf } from "../ids.ts";
import { filesOfMounts } from "./mounts.ts";

/** One layer of an image, as the core builds it. Its context is the name of a list of files. */
export async function buildOf(core: Core, image: Image, force: boolean, signal: AbortSignal): Promise<ImageBuild> {
  refuse(image);
  const { dockerfileCommands, baseImages, secretIds, buildArgs, imageRegistryConfig } = image;
  const registrySecret = imageRegistryConfig?.secretId;
  const context = await contextOf(core, image, signal);
  return {
    from: {
      dockerfile: dockerfileCommands.join("\n"),
      images: Object.fromEntries(baseImages.map(({ dockerTag, imageId }) => [dockerTag, imageOf(imageId)])),
      args: { ...buildArgs },
      secrets: [...secretIds],
      ...(registrySecret && { registrySecret }),
      ...(context && { context }),
    },
    steps: [],
    force,
  };
}

/** What Modal installs into such an image ahead of time, compilers for the most part, is not installed here. */
export function knownImage(image: Image): Image {
  return { ...image, dockerfileCommands: image.dockerfileCommands.filter((line) => !/^RUN /i.test(line)) };
}

/** Finds the contexts of these builds. */
export function localFiles({ images }: Core): ContextOf {
  return (list) => images.fileLists.tree(list);
}

/**
 * An image that has the files of mounts too, for a sandbox that is to start with them. Made once for the same files.
 * @throws AtollError not_found when a mount is not there
 */
export async function imageWithMounts(
  core: Core,
  image: string,
  mountIds: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  if (mountIds.length === 0) return image;
  const context = await core.images.fileLists.put(await filesOfMounts(core, mountIds), signal);
  const from = { dockerfile: "FROM base\nCOPY . /", images: { base: image }, context };
  const { id } = await core.images.builds.image({ from, steps: [] }, signal, localFiles(core));
  return id;
}

/** What a mount and files that came with the request are together; undefined when there are none. */
async function contextOf(core: Core, image: Image, signal: AbortSignal): Promise<string | undefined> {
  const { contextMountId, contextFiles } = image;
  if (contextMountId === "" && contextFiles.length === 0) return undefined;
  const files = await filesOfMounts(core, contextMountId === "" ? [] : [contextMountId]);
  const more = await Promise.all(contextFiles.map((file) => kept(core, file, signal)));
  return await core.images.fileLists.put([...files, ...more], signal);
}

async function kept({ images }: Core, { filename, data }: ImageContextFile, signal: AbortSignal) {
  const digest = digestOf(createHash("sha256").update(data).digest("hex"));
  await images.contents.put(digest, Readable.from([Buffer.from(data)]), signal);
  return { path: filename, mode: 0o644, digest };
}

function refuse(image: Image): void {
  const what =
    (image.dockerfileCommands.length === 0 && "by running a function: Atoll runs commands, and no functions") ||
    (image.volumeMounts.length > 0 && "with volumes mounted") ||
    (image.gpuConfig !== undefined && image.gpuConfig.gpuType !== "" && "with a GPU");
  if (what) throw new AtollError("unsupported", `cannot build the image ${what}`, "See docs/modal-compatibility.md.");
}

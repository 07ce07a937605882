import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { LogEntry, LogRange } from "../../processes/log-entries.ts";
import type { Core } from "../core.ts";
import { ImageBuildChainGetRequestSchema, ImageBuildChainGetResponseSchema } from "../generated/images_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { imageIdOf, imageOf } from "../ids.ts";

/** A build's entries have no times of their own: all are of when its image was made, which lies within these bounds. */
const marginMs = 1000;

/** Logs of builds are asked for as those of tasks; here the task of a build has its image's id. */
export function imageLogRpcs(core: Core): Rpcs {
  return {
    ImageBuildChainGet: unary(ImageBuildChainGetRequestSchema, ImageBuildChainGetResponseSchema, ({ imageId }) => ({
      buildSteps: chainOf(core, imageOf(imageId)).map(({ id, at }) => ({
        imageId: imageIdOf(id),
        startedAt: timestampFromMs(at - marginMs),
        finishedAt: timestampFromMs(at + marginMs),
        builderTaskId: imageIdOf(id),
      })),
    })),
  };
}

export function isBuildTask(taskId: string): boolean {
  return taskId.startsWith("im-");
}

/** What a build wrote; nothing for a task that is none. @throws AtollError not_found */
export async function buildEntries(
  core: Core,
  taskId: string,
  range: LogRange,
  signal: AbortSignal,
): Promise<LogEntry[]> {
  if (!isBuildTask(taskId)) return [];
  const image = imageOf(taskId);
  const at = Date.parse(core.images.catalogue.view(image).createdAt);
  const entries: LogEntry[] = [];
  if (at < range.since || at >= range.until) return entries;
  for await (const { event } of await core.images.builds.follow(image, 0, signal)) {
    if (event.event !== "output" || !event.line.includes(range.search ?? "")) continue;
    entries.push({ at, stream: event.stream, text: `${event.line}\n` });
  }
  return entries;
}

/** The image and those it was built on, the first of them first. */
function chainOf({ images: { catalogue } }: Core, image: string): { readonly id: string; readonly at: number }[] {
  const chain: { readonly id: string; readonly at: number }[] = [];
  for (let id: string | undefined = image; id !== undefined; ) {
    const view = found(() => catalogue.view(id ?? ""), chain.length > 0);
    if (view?.origin.kind !== "build") break;
    chain.unshift({ id: view.id, at: Date.parse(view.createdAt) });
    id = view.origin.of;
  }
  return chain;
}

/** Of what an image was built on, some may be gone. */
function found<T>(find: () => T, isOptional: boolean): T | undefined {
  try {
    return find();
  } catch (error) {
    if (isOptional && error instanceof AtollError && error.code === "not_found") return undefined;
    throw error;
  }
}

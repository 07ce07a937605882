import type { ImageBuildEvent, ImageImportEvent, ImageLogEntry, ImagePushEvent } from "@atoll/protocol";
import type { ImageService } from "../images/images.ts";
import type { Handlers } from "./call.ts";

export function imageHandlers(
  images: ImageService,
): Pick<
  Handlers,
  | "buildImage"
  | "startImageBuild"
  | "followImageBuild"
  | "importImage"
  | "exportImage"
  | "pushImage"
  | "listImages"
  | "getImage"
  | "nameImage"
  | "removeImage"
  | "pruneImages"
  | "putImageContent"
  | "getImageContent"
  | "snapshotSandbox"
  | "listMounts"
  | "mountImage"
  | "unmountImage"
> {
  const { catalogue, contents, builds, exports, pushes, mounts } = images;
  return {
    buildImage: ({ body, signal }) => ({ offset: 0, source: jsonLines(builds.build(body, signal)) }),
    startImageBuild: ({ body, signal }) => builds.start(body, signal),
    followImageBuild: async ({ params, query, signal }) => ({
      offset: 0,
      source: jsonLines(await builds.follow(params.image, query.after ?? 0, signal)),
    }),
    importImage: ({ body, signal }) => ({ offset: 0, source: jsonLines(images.importing(body, signal)) }),
    exportImage: async ({ params, signal }) => ({ offset: 0, ...(await exports.archive(params.image, signal)) }),
    pushImage: ({ params, body, signal }) => ({
      offset: 0,
      source: jsonLines(pushes.pushing(params.image, body, signal)),
    }),
    listImages: () => ({ items: catalogue.list() }),
    getImage: ({ params, signal }) => catalogue.get(params.image, signal),
    nameImage: ({ params, body }) => catalogue.name(params.image, body.name),
    removeImage: async ({ params }) => {
      await catalogue.remove(params.image);
      return undefined;
    },
    pruneImages: ({ query }) => catalogue.prune(query.dryRun ?? false, query.unusedForMs ?? 0),
    putImageContent: ({ params, body, signal }) => contents.put(params.digest, body ?? nothing(), signal),
    getImageContent: ({ params }) => contents.get(params.digest),
    listMounts: ({ params }) => ({ items: mounts.list(params.sandboxId) }),
    mountImage: ({ params, body, signal }) => mounts.mount(params.sandboxId, body, signal),
    unmountImage: async ({ params, query, signal }) => {
      await mounts.unmount(params.sandboxId, query.path, signal);
      return undefined;
    },
    snapshotSandbox: ({ params, body, repeatable, signal }) =>
      images.snapshot(params.sandboxId, body, repeatable, signal),
  };
}

async function* jsonLines(
  events: AsyncIterable<ImageBuildEvent | ImageLogEntry | ImageImportEvent | ImagePushEvent>,
): AsyncGenerator<Buffer> {
  for await (const event of events) yield Buffer.from(`${JSON.stringify(event)}\n`);
}

/** A request without a body has no stream either. */
async function* nothing(): AsyncGenerator<Buffer> {
  yield* [];
}

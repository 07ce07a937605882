import type { ImageBuildEvent } from "@atoll/protocol";
import type { ImageService } from "../images/images.ts";
import type { Handlers } from "./call.ts";

export function imageHandlers(
  images: ImageService,
): Pick<
  Handlers,
  | "buildImage"
  | "listImages"
  | "getImage"
  | "nameImage"
  | "removeImage"
  | "pruneImages"
  | "putImageContent"
  | "getImageContent"
  | "snapshotSandbox"
> {
  const { catalogue, contents, builds } = images;
  return {
    buildImage: ({ body, signal }) => ({ offset: 0, source: jsonLines(builds.build(body, signal)) }),
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
    snapshotSandbox: ({ params, body, signal }) => images.snapshot(params.sandboxId, body.name, signal),
  };
}

async function* jsonLines(events: AsyncIterable<ImageBuildEvent>): AsyncGenerator<Buffer> {
  for await (const event of events) yield Buffer.from(`${JSON.stringify(event)}\n`);
}

/** A request without a body has no stream either. */
async function* nothing(): AsyncGenerator<Buffer> {
  yield* [];
}

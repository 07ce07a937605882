import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import {
  ImageDeleteRequestSchema,
  ImageFromIdRequestSchema,
  ImageFromIdResponseSchema,
  ImageGetByTagRequestSchema,
  ImageGetByTagResponseSchema,
  ImageListTagsRequestSchema,
  ImageListTagsResponseSchema,
  ImageNameDeleteRequestSchema,
  ImagePublishRequestSchema,
  ImagePublishResponseSchema,
  ImageTagRevisionsRequestSchema,
  ImageTagRevisionsResponseSchema,
} from "../generated/images_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError, unlessUsed } from "../grpc/status.ts";
import { imageIdOf, imageOf } from "../ids.ts";
import { madeScope, scopeOf } from "../scope.ts";

/** Images that are there already: by id, and by the names they are published under. */
export function imageNameRpcs(core: Core): Rpcs {
  const { catalogue } = core.images;
  return {
    ImageFromId: unary(ImageFromIdRequestSchema, ImageFromIdResponseSchema, async ({ imageId }, { signal }) => {
      await orNotFound(`Could not find image with ID ${imageId}`, () => catalogue.get(imageOf(imageId), signal));
      return { imageId, metadata: {} };
    }),
    ImageDelete: unary(ImageDeleteRequestSchema, EmptySchema, async ({ imageId }) => {
      await orNotFound(`No Image with ID ${imageId}`, () =>
        unlessUsed(() => catalogue.remove(catalogue.view(imageOf(imageId)).id)),
      );
      return {};
    }),
    ImagePublish: unary(ImagePublishRequestSchema, ImagePublishResponseSchema, async (request) => {
      const { id } = await orNotFound(`Image ${request.imageId} not found`, () =>
        catalogue.view(imageOf(request.imageId)),
      );
      catalogue.name(id, madeScope(core, environmentOf(request)).full(ownName(request.tag)));
      return { imageId: request.imageId, revisionId: "" };
    }),
    ImageGetByTag: unary(ImageGetByTagRequestSchema, ImageGetByTagResponseSchema, async (request, { signal }) => {
      const name = ownName(request.tag);
      const full = scopeOf(core, environmentOf(request)).full(name);
      const { id } = await orNotFound(`Image '${name}' not found`, () => catalogue.get(full, signal));
      return { imageId: imageIdOf(id) };
    }),
    ImageTagRevisions: unary(ImageTagRevisionsRequestSchema, ImageTagRevisionsResponseSchema, async (request) => {
      const tag = ownName(request.tag);
      const { full, environmentName } = scopeOf(core, environmentOf(request));
      const { id, createdAt } = await orNotFound(`Image '${tag}' not found`, () => catalogue.view(full(tag)));
      // What a name stood for before is not remembered.
      const items = [{ imageId: imageIdOf(id), createdAt: Date.parse(createdAt) / 1000 }];
      return { items, tag, environmentName };
    }),
    ImageNameDelete: unary(ImageNameDeleteRequestSchema, EmptySchema, async ({ tag }) => {
      const { full } = scopeOf(core, environmentOf({ tag, environmentName: "" }));
      const name = ownName(tag);
      await orNotFound(`Image '${name}' not found`, () => catalogue.remove(full(name)));
      return {};
    }),
    ImageListTags: unary(ImageListTagsRequestSchema, ImageListTagsResponseSchema, (request) => {
      const { own, environmentName } = scopeOf(core, request.environmentName);
      const items = catalogue.list().flatMap(({ id, names, createdAt }) => {
        const at = Date.parse(createdAt) / 1000;
        const tags = names.flatMap((name) => own(name) ?? []);
        return tags.map((tag) => ({ tag, imageId: imageIdOf(id), createdAt: at, updatedAt: at }));
      });
      const isWanted = (item: (typeof items)[number]) =>
        item.tag.startsWith(request.tagPrefix) && (request.imageId === "" || item.imageId === request.imageId);
      return { items: items.filter(isWanted).sort((a, b) => (a.tag < b.tag ? -1 : 1)), environmentName };
    }),
  };
}

interface Tagged {
  readonly tag: string;
  readonly environmentName: string;
}

/** A tag may name its environment first, as in main/name:tag. */
function environmentOf({ tag, environmentName }: Tagged): string {
  return tag.split("/").at(-2) || environmentName;
}

function ownName(tag: string): string {
  return tag.slice(tag.lastIndexOf("/") + 1);
}

/** What cannot be found, in the words that users of the clients know. */
async function orNotFound<T>(message: string, find: () => T | Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof AtollError) || error.code !== "not_found") throw error;
    throw new StatusError("notFound", message);
  }
}

import { AtollError } from "../../error.ts";
import { ImageGetOrCreateRequestSchema, ImageGetOrCreateResponseSchema } from "../generated/images_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { imageIdOf } from "../ids.ts";

/** DeploymentNamespace of the images that the clients know by themselves, such as debian_slim. */
const global = 3;
const metadata = { imageBuilderVersion: "2025.06" } as const;
const success = 1;

export function imageRpcs(): Rpcs {
  return {
    ImageGetOrCreate: unary(ImageGetOrCreateRequestSchema, ImageGetOrCreateResponseSchema, ({ image, namespace }) => {
      const steps = image?.dockerfileCommands ?? [];
      const isPlain = namespace === global || (steps.length === 1 && /^FROM \S+$/i.test(steps[0] ?? ""));
      if (!isPlain) {
        throw new AtollError(
          "unsupported",
          "cannot build this image for a Modal client yet",
          "Build it with the SDK of Atoll or `atoll image build`, and name it with Image.from_id.",
        );
      }
      return { imageId: imageIdOf("base"), result: { status: success }, metadata };
    }),
  };
}

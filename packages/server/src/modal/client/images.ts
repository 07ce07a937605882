import type { ImageBuild, ImageBuildEvent, ImageLogEntry } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import {
  type Image,
  ImageGetOrCreateRequestSchema,
  ImageGetOrCreateResponseSchema,
  type ImageJoinStreamingRequest,
  ImageJoinStreamingRequestSchema,
  ImageJoinStreamingResponseSchema,
} from "../generated/images_pb.ts";
import type { Call } from "../grpc/call.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { imageOf } from "../ids.ts";
import { builderVersion } from "./environments.ts";

/** DeploymentNamespace of the images that the clients know by themselves, such as debian_slim. */
const global = 3;
/** GenericResult.status */
const [success, failure] = [1, 2];
const [stdout, stderr, info] = [1, 2, 3];
const metadata = { imageBuilderVersion: builderVersion };
const longestJoinS = 55;

/** Images that are built for a client, each call a layer on the one before. */
export function imageRpcs({ images: { builds } }: Core): Rpcs {
  return {
    ImageGetOrCreate: unary(
      ImageGetOrCreateRequestSchema,
      ImageGetOrCreateResponseSchema,
      async (request, { signal }) => {
        if (!request.image) throw new AtollError("invalid_argument", "cannot build an image without a definition");
        const force = request.forceBuild || request.ignoreCache;
        const build = buildOf(request.namespace === global ? knownImage(request.image) : request.image, force);
        const { image, isBuilt } = await builds.start(build, signal);
        return { imageId: image, ...(isBuilt && { result: { status: success }, metadata }) };
      },
    ),
    ImageJoinStreaming: serverStream(
      ImageJoinStreamingRequestSchema,
      ImageJoinStreamingResponseSchema,
      async function* (request, call) {
        for await (const { entry, event } of followed(builds, request, call)) {
          yield { entryId: String(entry), taskLogs: logsOf(event), ...endOf(event) };
        }
      },
    ),
  };
}

/** Ends without a result when the time is over: the client goes on after the last entry. */
async function* followed(
  builds: Core["images"]["builds"],
  { imageId, timeout, lastEntryId }: ImageJoinStreamingRequest,
  { signal }: Call,
): AsyncGenerator<ImageLogEntry> {
  const limit = AbortSignal.timeout((timeout || longestJoinS) * 1000);
  try {
    yield* await builds.follow(imageOf(imageId), Number(lastEntryId) || 0, AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
  }
}

/** What Modal installs into such an image ahead of time, compilers for the most part, is not installed here. */
function knownImage(image: Image): Image {
  return { ...image, dockerfileCommands: image.dockerfileCommands.filter((line) => !/^RUN /i.test(line)) };
}

function buildOf(image: Image, force: boolean): ImageBuild {
  refuse(image);
  const { dockerfileCommands, baseImages, secretIds, buildArgs, imageRegistryConfig } = image;
  const registrySecret = imageRegistryConfig?.secretId;
  return {
    from: {
      dockerfile: dockerfileCommands.join("\n"),
      images: Object.fromEntries(baseImages.map(({ dockerTag, imageId }) => [dockerTag, imageOf(imageId)])),
      args: { ...buildArgs },
      secrets: [...secretIds],
      ...(registrySecret && { registrySecret }),
    },
    steps: [],
    force,
  };
}

function refuse(image: Image): void {
  const what =
    (image.dockerfileCommands.length === 0 && "by running a function: Atoll runs commands, and no functions") ||
    ((image.contextMountId !== "" || image.contextFiles.length > 0) && "with local files for a Modal client yet") ||
    (image.volumeMounts.length > 0 && "with volumes mounted") ||
    (image.gpuConfig !== undefined && image.gpuConfig.gpuType !== "" && "with a GPU");
  if (what) throw new AtollError("unsupported", `cannot build the image ${what}`, "See docs/modal-compatibility.md.");
}

function logsOf(event: ImageBuildEvent) {
  if (event.event === "output")
    return [{ data: `${event.line}\n`, fileDescriptor: event.stream === "stderr" ? stderr : stdout }];
  if (event.event === "step")
    return [
      { data: `=> ${event.step}/${event.of} ${event.text}${event.cached ? " (cached)" : ""}\n`, fileDescriptor: info },
    ];
  if (event.event === "note") return [{ data: `${event.text}\n`, fileDescriptor: info }];
  return [];
}

function endOf(event: ImageBuildEvent) {
  if (event.event === "image") return { result: { status: success }, metadata, eof: true };
  if (event.event !== "failed") return {};
  const exception = [event.error.message, ...(event.output ?? [])].join("\n");
  return { result: { status: failure, exception, exitcode: event.exitCode ?? 1 }, eof: true };
}

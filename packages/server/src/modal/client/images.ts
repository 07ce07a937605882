import type { ImageBuildEvent, ImageLogEntry } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import { newId } from "../../id.ts";
import type { Core } from "../core.ts";
import {
  ImageGetOrCreateRequestSchema,
  ImageGetOrCreateResponseSchema,
  type ImageJoinStreamingRequest,
  ImageJoinStreamingRequestSchema,
  ImageJoinStreamingResponseSchema,
} from "../generated/images_pb.ts";
import type { Call } from "../grpc/call.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { statusOf } from "../grpc/status.ts";
import { imageOf } from "../ids.ts";
import { builderVersion } from "./environments.ts";
import { buildOf, knownImage, localFiles } from "./image-build.ts";

/** DeploymentNamespace of the images that the clients know by themselves, such as debian_slim. */
const global = 3;
/** GenericResult.status */
const [success, failure] = [1, 2];
const [stdout, stderr, info] = [1, 2, 3];
const metadata = { imageBuilderVersion: builderVersion };
const longestJoinS = 55;

/** Images that are built for a client, each call a layer on the one before. */
export function imageRpcs(core: Core): Rpcs {
  const { builds } = core.images;
  return {
    ImageGetOrCreate: unary(
      ImageGetOrCreateRequestSchema,
      ImageGetOrCreateResponseSchema,
      async (request, { signal }) => {
        if (!request.image) throw new AtollError("invalid_argument", "cannot build an image without a definition");
        const force = request.forceBuild || request.ignoreCache;
        const isKnown = request.namespace === global;
        const build = await buildOf(core, isKnown ? knownImage(request.image) : request.image, force, signal);
        try {
          const { image, isBuilt } = await builds.start(build, signal, localFiles(core));
          return { imageId: image, ...(isBuilt && { result: { status: success }, metadata }) };
        } catch (error) {
          return failed(error);
        }
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

/** To clients a Dockerfile that cannot be read, or a base that cannot be had, is a build that failed. */
function failed(error: unknown) {
  if (!(error instanceof AtollError)) throw error;
  const exception = statusOf(error).message;
  return { imageId: newId("im"), result: { status: failure, exception, exitcode: 1 } };
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

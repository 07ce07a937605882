import type { IncomingHttpHeaders } from "node:http";
import { AtollError } from "../error.ts";
import { accessRpcs, sandboxOfToken } from "./client/access.ts";
import { appRunRpcs } from "./client/app-runs.ts";
import { appRpcs } from "./client/apps.ts";
import { containerFileRpcs } from "./client/container-files.ts";
import { environmentRpcs } from "./client/environments.ts";
import { imageLogRpcs } from "./client/image-logs.ts";
import { imageNameRpcs } from "./client/image-names.ts";
import { imageRpcs } from "./client/images.ts";
import { logRpcs } from "./client/logs.ts";
import { mountRpcs } from "./client/mounts.ts";
import { sandboxRpcs } from "./client/sandboxes.ts";
import { secretRpcs } from "./client/secrets.ts";
import { stdioRpcs } from "./client/stdio.ts";
import { taskRpcs } from "./client/tasks.ts";
import { tunnelRpcs } from "./client/tunnels.ts";
import { volumeBlockRpcs } from "./client/volume-blocks.ts";
import { volumeFileRpcs } from "./client/volume-files.ts";
import { volumeRpcs } from "./client/volumes.ts";
import type { Core, TaskCall } from "./core.ts";
import type { AnswerOptions } from "./grpc/answer.ts";
import { type Call, metadataOf } from "./grpc/call.ts";
import type { Rpc, Rpcs } from "./grpc/rpc.ts";
import { StatusError } from "./grpc/status.ts";
import { offered } from "./offered.ts";
import { execRpcs } from "./router/exec.ts";
import { networkRpcs } from "./router/network.ts";
import { snapshotRpcs } from "./router/snapshots.ts";
import { routerStdioRpcs } from "./router/stdio.ts";
import { routerVolumeRpcs } from "./router/volumes.ts";

/** Every call that the official clients of Modal make, by service: who may make it, and what answers it. */
export function modalDialect(core: Core, checkOrigin: (headers: IncomingHttpHeaders) => void): AnswerOptions["find"] {
  const client: Rpcs = {
    ...accessRpcs(core),
    ...appRpcs(core),
    ...appRunRpcs(core),
    ...containerFileRpcs(core),
    ...environmentRpcs(core),
    ...imageRpcs(core),
    ...logRpcs(core),
    ...imageLogRpcs(core),
    ...imageNameRpcs(core),
    ...mountRpcs(core),
    ...sandboxRpcs(core),
    ...secretRpcs(core),
    ...stdioRpcs(core),
    ...taskRpcs(core),
    ...tunnelRpcs(core),
    ...volumeBlockRpcs(core),
    ...volumeFileRpcs(core),
    ...volumeRpcs(core),
  };
  const router: Rpcs<TaskCall> = {
    ...execRpcs(core),
    ...routerStdioRpcs(core),
    ...networkRpcs(core),
    ...snapshotRpcs(core),
    ...routerVolumeRpcs(core),
  };
  return (path, call) => {
    const authority = call.metadata[":authority"];
    checkOrigin({ ...(typeof authority === "string" && { host: authority }) });
    const [, service = "", name = ""] = path.split("/");
    if (service === "modal.client.ModalClient") {
      checkToken(core, call);
      const rpc = row(client, name);
      return (requests) => rpc(requests, call);
    }
    if (service !== "modal.task_command_router.TaskCommandRouter") throw unknown(path);
    const sandboxId = sandboxOfToken(core, call);
    const rpc = row(router, name);
    return (requests) => goneIsNotFound(rpc(requests, { ...call, sandboxId }));
  };
}

function row<C extends Call>(rpcs: Rpcs<C>, name: string): Rpc<C> {
  const rpc = Object.hasOwn(rpcs, name) ? rpcs[name] : undefined;
  if (rpc) return rpc;
  throw unknown(name);
}

function unknown(name: string): StatusError {
  return new StatusError("unimplemented", `cannot answer ${name}: ${offered(name)}`);
}

function checkToken({ tokens }: Core, call: Call): void {
  const isValid = tokens.isPair(metadataOf(call, "x-modal-token-id"), metadataOf(call, "x-modal-token-secret"));
  if (isValid) return;
  throw new AtollError(
    "unauthenticated",
    "cannot answer: the token id and secret are not valid",
    "Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to what `atoll token create --modal NAME` prints.",
  );
}

/** Of a sandbox that has ended the router knows nothing; clients stop asking when they are told so. */
async function* goneIsNotFound(answers: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* answers;
  } catch (error) {
    if (error instanceof AtollError && error.code === "sandbox_finished")
      throw new StatusError("notFound", error.message);
    throw error;
  }
}

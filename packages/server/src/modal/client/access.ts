import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import {
  AuthTokenGetRequestSchema,
  AuthTokenGetResponseSchema,
  ClientHelloResponseSchema,
  SandboxGetCommandRouterAccessRequestSchema,
  SandboxGetCommandRouterAccessResponseSchema,
  TaskGetCommandRouterAccessRequestSchema,
  TaskGetCommandRouterAccessResponseSchema,
} from "../generated/access_pb.ts";
import { type Call, metadataOf } from "../grpc/call.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { sandboxIdOf, sandboxOfTask } from "../ids.ts";
import { builderVersion } from "./environments.ts";

const authLifetimeMs = 3_600_000;
const routerLifetimeMs = 3_600_000;
/** Of ClientType in x-modal-client-type. */
const python = "1";

export function accessRpcs(core: Core): Rpcs {
  return {
    ClientHello: unary(EmptySchema, ClientHelloResponseSchema, () => ({ imageBuilderVersion: builderVersion })),
    AuthTokenGet: unary(AuthTokenGetRequestSchema, AuthTokenGetResponseSchema, (_request, call) => ({
      token: core.signed.sign("auth", metadataOf(call, "x-modal-token-id"), authLifetimeMs),
    })),
    TaskGetCommandRouterAccess: unary(
      TaskGetCommandRouterAccessRequestSchema,
      TaskGetCommandRouterAccessResponseSchema,
      ({ taskId }, call) => routerAccess(core, sandboxOfTask(taskId), call),
    ),
    SandboxGetCommandRouterAccess: unary(
      SandboxGetCommandRouterAccessRequestSchema,
      SandboxGetCommandRouterAccessResponseSchema,
      ({ sandboxId, taskId }, call) =>
        routerAccess(core, sandboxId ? sandboxIdOf(sandboxId) : sandboxOfTask(taskId ?? ""), call),
    ),
  };
}

/** The router is at the same address, under a token for this sandbox alone. */
export function routerAccess({ sandboxes, signed }: Core, sandboxId: string, call: Call) {
  sandboxes.get(sandboxId);
  return { jwt: signed.sign("task", sandboxId, routerLifetimeMs), url: routerUrl(call) };
}

/**
 * On loopback the clients speak plaintext whatever the scheme says, but Python wants to read http there and the others https.
 */
function routerUrl(call: Call): string {
  const isPlain = !call.isEncrypted && metadataOf(call, "x-modal-client-type") === python;
  return `${isPlain ? "http" : "https"}://${metadataOf(call, ":authority")}`;
}

/** @throws AtollError unauthenticated, with which a client asks for a new token */
export function sandboxOfToken({ signed }: Core, call: Call): string {
  const token = /^Bearer (\S+)$/.exec(metadataOf(call, "authorization"))?.[1];
  const sandboxId = token && signed.subject("task", token);
  if (sandboxId) return sandboxId;
  throw new AtollError("unauthenticated", "cannot answer: the token for this sandbox is not valid, or too old");
}

/** @throws StatusError when the token was made for another sandbox */
export function checkTask(taskId: string, sandboxId: string): string {
  if (sandboxOfTask(taskId) === sandboxId) return sandboxId;
  throw new StatusError("permissionDenied", `cannot reach the task ${taskId}: the token is for another one`);
}

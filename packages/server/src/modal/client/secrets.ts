import type { Secret } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { Core } from "../core.ts";
import { SecretGetOrCreateRequestSchema, SecretGetOrCreateResponseSchema } from "../generated/secrets_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { checkEnvironment } from "./environments.ts";

/** ObjectCreationType of secrets without a name: owned by an app, and ephemeral. */
const unnamed: readonly number[] = [4, 5];
const lookUp = 0;

export function secretRpcs({ secrets }: Core): Rpcs {
  return {
    SecretGetOrCreate: unary(SecretGetOrCreateRequestSchema, SecretGetOrCreateResponseSchema, (request) => {
      checkEnvironment(request.environmentName);
      const { objectCreationType: how, envDict, deploymentName: name, requiredKeys } = request;
      if (unnamed.includes(how)) return answer(secrets.create(envDict));
      if (how !== lookUp) throw new AtollError("unsupported", "cannot create a named secret for a Modal client yet");
      const secret = secrets.list().find((each) => each.name === name);
      if (!secret) throw new StatusError("notFound", `Secret '${name}' not found`);
      const missing = requiredKeys.filter((key) => !secret.keys.includes(key));
      if (missing.length === 0) return answer(secret);
      throw new StatusError("failedPrecondition", `Secret is missing key(s): ${missing.join(", ")}`);
    }),
  };
}

function answer({ id, name, keys }: Secret) {
  return { secretId: id, metadata: { name: name ?? "", keys } };
}

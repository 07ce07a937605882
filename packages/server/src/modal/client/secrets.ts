import type { Secret } from "@atoll/protocol";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { AtollError } from "../../error.ts";
import type { Secrets } from "../../secrets/secrets.ts";
import type { Core } from "../core.ts";
import {
  SecretDeleteRequestSchema,
  type SecretGetOrCreateRequest,
  SecretGetOrCreateRequestSchema,
  SecretGetOrCreateResponseSchema,
  SecretListRequestSchema,
  SecretListResponseSchema,
  SecretUpdateRequestSchema,
} from "../generated/secrets_pb.ts";
import { type Rpcs, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { madeScope, namesOf, type Scope, scopeOf } from "../scope.ts";

/** ObjectCreationType */
const creation = { lookUp: 0, ifMissing: 1, unlessExists: 2, overwrite: 3, ofApp: 4, ephemeral: 5 } as const;
/** Of one answer, when the client does not say. */
const mostListed = 100;

export function secretRpcs(core: Core): Rpcs {
  const { secrets } = core;
  return {
    SecretGetOrCreate: unary(SecretGetOrCreateRequestSchema, SecretGetOrCreateResponseSchema, (request) => {
      const isFound = request.objectCreationType === creation.lookUp;
      const scope = (isFound ? scopeOf : madeScope)(core, request.environmentName);
      const secret = gotten(secrets, request, scope);
      const missing = request.requiredKeys.filter((key) => !secret.keys.includes(key));
      if (missing.length === 0) return { secretId: secret.id, metadata: metadata(secret) };
      throw new StatusError("failedPrecondition", `Secret is missing key(s): ${missing.join(", ")}`);
    }),
    SecretUpdate: unary(SecretUpdateRequestSchema, EmptySchema, ({ secretId, updates }) => {
      const set = updates.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value] as const]));
      const unset = updates.flatMap(({ key, value }) => (value === undefined ? [key] : []));
      secrets.update(secretId, { set: Object.fromEntries(set), unset });
      return {};
    }),
    SecretDelete: unary(SecretDeleteRequestSchema, EmptySchema, ({ secretId }) => {
      secrets.remove(secretId);
      return {};
    }),
    SecretList: unary(SecretListRequestSchema, SecretListResponseSchema, (request) => {
      const { own, environmentName } = scopeOf(core, request.environmentName);
      const { maxObjects = mostListed, createdBefore = 0 } = request.pagination ?? {};
      const items = secrets
        .list()
        .filter(({ name }) => own(name) !== undefined)
        .map((secret) => ({ ...itemOf(secret), metadata: metadata(secret) }))
        .filter(({ createdAt }) => createdBefore === 0 || createdAt < createdBefore)
        .sort((a, b) => b.createdAt - a.createdAt);
      return { items: items.slice(0, maxObjects || mostListed), environmentName };
    }),
  };
}

function gotten(
  secrets: Secrets,
  { objectCreationType: how, deploymentName: name, envDict }: SecretGetOrCreateRequest,
  { full }: Scope,
) {
  if (how === creation.ofApp || how === creation.ephemeral) return secrets.create(envDict);
  if (how === creation.overwrite) return secrets.put(full(name), envDict);
  const found = secrets.find(full(name));
  if (found) {
    if (how !== creation.unlessExists) return found;
    throw new StatusError("alreadyExists", `Secret '${name}' already exists`);
  }
  if (how === creation.lookUp) throw new StatusError("notFound", `Secret '${name}' not found`);
  if (how === creation.ifMissing || how === creation.unlessExists) return secrets.put(full(name), envDict);
  throw new AtollError("invalid_argument", `cannot create a secret: there is no way of creation ${how}`);
}

function itemOf({ id, name = "", createdAt }: Secret) {
  const { own, environmentName } = namesOf(name);
  return { label: own, secretId: id, createdAt: Date.parse(createdAt) / 1000, environmentName };
}

function metadata({ name = "", keys, createdAt }: Secret) {
  const { own, environmentName } = namesOf(name);
  return { name: own, keys, creationInfo: { createdAt: Date.parse(createdAt) / 1000 }, environmentName };
}

import { type SandboxCreate, schema } from "@atoll/protocol";
import { Check, Errors } from "typebox/value";
import { AtollError } from "../../error.ts";
import type { Sandbox as Definition, Probe, PTYInfo, VolumeMount } from "../generated/sandbox_pb.ts";
import { networkPolicyOf, portsOf } from "./network.ts";
import { checkPlacement } from "./placement.ts";

const mebibyte = 1024 ** 2;
/** Where programs look for the token. */
const identityVariable = "MODAL_IDENTITY_TOKEN";
/** Without a limit, a request for less leaves as much as a sandbox has that asks for nothing. */
const leastMemoryMib = 2048;

interface Others {
  readonly app: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** Pure: what they ask for, as the core takes it. @throws AtollError unsupported, invalid_argument */
export function sandboxCreate(definition: Definition, { app, image, env, tags }: Others): SandboxCreate {
  refuse(definition);
  checkPlacement(definition);
  const { entrypointArgs, resources, ptyInfo, readinessProbe, networkAccess, idleTimeoutSecs, name, workdir } =
    definition;
  const cpu = (resources?.milliCpuMax ?? 0) / 1000;
  const memoryMib = resources?.memoryMbMax || Math.max(resources?.memoryMb ?? 0, leastMemoryMib);
  const gpu = resources?.gpuConfig;
  const request = {
    app,
    env: { ...env, ...definition.environmentVariables?.contents },
    tags: { ...tags },
    image,
    ...(entrypointArgs.length > 0 && { command: entrypointArgs }),
    ...(name && { name }),
    ...(workdir && { workdir }),
    ...(cpu > 0 && { cpu }),
    ...(resources &&
      (resources.memoryMbMax > 0 || resources.memoryMb > leastMemoryMib) && { memoryBytes: memoryMib * mebibyte }),
    ...(gpu?.gpuType && { gpu: `${gpu.gpuType}:${gpu.count || 1}` }),
    ...(resources && resources.ephemeralDiskMb > 0 && { diskBytes: resources.ephemeralDiskMb * mebibyte }),
    ...(definition.timeoutSecs > 0 && { timeoutMs: definition.timeoutSecs * 1000 }),
    ...(idleTimeoutSecs && { idleTimeoutMs: idleTimeoutSecs * 1000 }),
    ...(ptyInfo?.enabled && { pty: ptyOf(ptyInfo) }),
    ...networkPolicyOf(networkAccess),
    ...(definition.blockNetwork && { blockNetwork: true }),
    ...portsOf(definition),
    ...(definition.includeOidcIdentityToken && { identityToken: identityVariable }),
    ...(readinessProbe && { readinessProbe: probeOf(readinessProbe) }),
    ...(definition.volumeMounts.length > 0 && { volumes: definition.volumeMounts.map(mountOf) }),
  };
  return checked(request);
}

export function ptyOf({ winszRows, winszCols, envTerm }: PTYInfo) {
  return { rows: winszRows || 24, cols: winszCols || 80, ...(envTerm && { term: envTerm }) };
}

function mountOf({ volumeId, mountPath, readOnly, subPath }: VolumeMount) {
  return { volume: volumeId, path: mountPath, readOnly, ...(subPath && { subPath: subPath.replace(/^\/+/, "") }) };
}

function probeOf({ kind, intervalMs }: Probe) {
  const interval = intervalMs === undefined ? {} : { intervalMs };
  if (kind.case === "tcpPort") return { tcpPort: kind.value, ...interval };
  return { exec: kind.value?.argv ?? [], ...interval };
}

/** @throws AtollError invalid_argument */
export function checkedName(name: string): string {
  if (Check(schema.Name, name)) return name;
  throw new AtollError(
    "invalid_argument",
    `cannot name a sandbox ${JSON.stringify(name)}`,
    "A name has letters, digits, '.', '_' and '-', begins with a letter or digit, and has 64 characters at most.",
  );
}

function checked(request: unknown): SandboxCreate {
  if (Check(schema.SandboxCreate, request)) return request;
  const [first] = [...Errors(schema.SandboxCreate, request)];
  const where = first ? `${first.instancePath.slice(1).replaceAll("/", ".") || "it"}: ${first.message}` : "";
  throw new AtollError("invalid_argument", `cannot create the sandbox: ${where}`);
}

/** Options that ask for what a client cannot have here; silently leaving one out could be a hole. */
const refused: readonly (readonly [string, (definition: Definition) => boolean])[] = [
  ["cloud buckets", ({ cloudBucketMounts }) => cloudBucketMounts.length > 0],
  ["a private network", ({ i6pnEnabled }) => i6pnEnabled],
  ["a proxy", ({ proxyId }) => Boolean(proxyId)],
  ["a custom domain", ({ customDomain }) => customDomain !== ""],
  ["memory snapshots", ({ enableSnapshot }) => enableSnapshot],
  ["an outbound policy", ({ experimentalOutboundPolicy }) => experimentalOutboundPolicy !== undefined],
];

function refuse(definition: Definition): void {
  const [option] = experimentalOptions(definition);
  const found = option ?? refused.find(([, asks]) => asks(definition))?.[0];
  if (found === undefined) return;
  throw new AtollError(
    "unsupported",
    `cannot create a sandbox with ${found} for a Modal client yet`,
    "See docs/modal-compatibility.md.",
  );
}

/** Those that are asked for; one that is switched off asks for nothing. @throws AtollError invalid_argument */
function experimentalOptions({ experimentalOptions: flags, experimentalOptionsV2: texts }: Definition): string[] {
  const given = Object.entries({ ...flags, ...texts }).map(
    ([name, value]) => [name, `${value}`.toLowerCase()] as const,
  );
  const wrong = given.find(([, value]) => value !== "true" && value !== "false");
  if (wrong)
    throw new AtollError("invalid_argument", `cannot use the experimental option "${wrong[0]}": it must be a bool`);
  return given.flatMap(([name, value]) => (value === "true" ? [`the experimental option "${name}"`] : []));
}

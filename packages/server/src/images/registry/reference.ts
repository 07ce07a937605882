/** Names of images in registries, as Docker and Podman write them. Pure. */
import { AtollError } from "../../error.ts";

export interface Reference {
  readonly host: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const dockerHub = "docker.io";
const hostGrammar = /^(\[[0-9a-fA-F:]+\]|[a-zA-Z0-9][a-zA-Z0-9.-]*)(:\d{1,5})?$/;
const grammar =
  /^([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;

/** @throws AtollError invalid_argument */
export function parseReference(text: string): Reference {
  const found = parsed(text);
  if (found) return found;
  const hint = "Write it as NAME:TAG, HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, in lower case.";
  throw new AtollError("invalid_argument", `cannot use "${text}" as the name of an image in a registry`, hint);
}

function parsed(text: string): Reference | undefined {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const hasHost = first.includes(".") || first.includes(":") || first === "localhost";
  const host = hasHost ? first : dockerHub;
  const [, path, tag, digest] = grammar.exec(hasHost ? text.slice(slash + 1) : text) ?? [];
  if (path === undefined || (hasHost && !hostGrammar.test(host))) return undefined;
  const isOfficial = host === dockerHub && !path.includes("/");
  return { host, path: isOfficial ? `library/${path}` : path, tag: tag ?? (digest ? undefined : "latest"), digest };
}

export function isReference(text: string): boolean {
  return parsed(text) !== undefined;
}

export function fullReference({ host, path, tag, digest }: Reference): string {
  return `${host}/${path}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** Registries on this machine itself are spoken to without TLS too, as Docker does. */
export function isLoopback({ host }: Reference): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(host);
}

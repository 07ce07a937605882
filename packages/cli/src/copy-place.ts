/** The two sides of a copy, as they are written. Pure. */
import { posix } from "node:path";
import { UsageError } from "./errors.ts";

export type Place =
  | { readonly kind: "sandbox"; readonly sandbox: string; readonly path: string }
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "stream" };

/** `SANDBOX:/path`, `-` for stdin or stdout, or a path of this machine; `./a:/b` is one too. */
export function placeOf(given: string): Place {
  if (given === "-") return { kind: "stream" };
  const [, sandbox, path] = /^([A-Za-z0-9][A-Za-z0-9._-]*):([\s\S]*)$/.exec(given) ?? [];
  if (sandbox === undefined || path === undefined) return { kind: "local", path: given };
  if (path.startsWith("/")) return { kind: "sandbox", sandbox, path };
  throw new UsageError(
    `cannot copy ${JSON.stringify(given)}: the path in a sandbox must be absolute`,
    `Write it as ${sandbox}:/${path}, or ./${given} for a file of this machine.`,
  );
}

/** What a copy is called: the last part of the path it is a copy of. */
export function lastName(path: string): string {
  const name = posix.basename(path);
  return name === "." || name === ".." ? "" : name;
}

/** Where it goes: into a directory under its own name, or to the very path. */
export function destination(source: string, target: string, isDirectory: boolean): string {
  return isDirectory || target.endsWith("/") ? posix.join(target, lastName(source)) : target;
}

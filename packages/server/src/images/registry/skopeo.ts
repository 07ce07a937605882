/** skopeo speaks to registries for us: https://github.com/containers/skopeo. Logins go through its stdin, never its arguments. */
import { AtollError } from "../../error.ts";
import { LauncherError } from "../../launcher/client.ts";
import type { RunHost } from "../../layers/layer-store.ts";
import type { ProgressOf } from "../progress.ts";
import { isLoopback, type Reference } from "./reference.ts";

const limitMs = 3_600_000;
const passedOn = /^(PATH|HOME|SSL_CERT_FILE|SSL_CERT_DIR|(https?|all|no)_proxy)$/i;

export interface Copying {
  readonly run: RunHost;
  readonly registry: Reference;
  /** As `authFile` gives it. */
  readonly login: string | undefined;
  readonly signal: AbortSignal;
}

/** Copies an image of a registry, for this machine's platform, into a directory as an OCI layout. */
export async function copyFromRegistry(copying: Copying, full: string, directory: string): Promise<void> {
  const options = sideOptions("src", copying);
  const argv = ["skopeo", "--insecure-policy", "copy", "--quiet", ...options, `docker://${full}`, `oci:${directory}`];
  await skopeo(argv, `pull ${full}`, copying);
}

/** Puts the one image of an OCI layout into a registry, compressed, and its digest into a file. */
export async function copyToRegistry(
  copying: Copying,
  layout: string,
  full: string,
  digestFile: string,
  progress: ProgressOf,
): Promise<void> {
  const options = [...sideOptions("dest", copying), `--digestfile=${digestFile}`];
  const argv = ["skopeo", "--insecure-policy", "copy", "--quiet", ...options, `oci:${layout}`, `docker://${full}`];
  await skopeo(argv, `push ${full}`, copying, progress);
}

function sideOptions(side: "src" | "dest", { registry, login }: Copying): string[] {
  return [
    ...(isLoopback(registry) ? [`--${side}-tls-verify=false`] : []),
    ...(login === undefined ? [`--${side}-no-creds`] : [`--${side}-authfile=/dev/stdin`]),
  ];
}

async function skopeo(
  argv: readonly string[],
  purpose: string,
  { run, login, signal }: Copying,
  progress?: ProgressOf,
): Promise<void> {
  using following = new DisposableStack();
  const onStart = (pid: number) => void (progress && following.use(progress.followProgram(pid)));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name)));
  const options = { env: env as Record<string, string>, inHostNetwork: true, timeoutMs: limitMs, signal, onStart };
  const ended = await run(argv, { ...options, ...(login !== undefined && { stdin: login }) }).catch(
    (error: unknown) => {
      if (!(error instanceof LauncherError)) throw error;
      throw new AtollError("unavailable", `cannot ${purpose}: skopeo is not there`, "Run `atoll setup` to install it.");
    },
  );
  if (ended.exitCode !== 0) throw failure(purpose, ended.stderr);
}

/** Pure. What skopeo wrote, as an error of ours. */
export function failure(purpose: string, stderr: string): AtollError {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  const quoted = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replaceAll('\\"', '"') ?? line;
  const why = quoted.slice(0, 500);
  const message = `cannot ${purpose}: ${why}`;
  if (/unauthorized|authentication required|denied|403/i.test(why))
    return new AtollError("permission_denied", message, "Name a secret with a login that the registry accepts.");
  if (/manifest unknown|not found|name unknown/i.test(why))
    return new AtollError("not_found", message, "Check the image's name and tag.");
  if (/no space left/i.test(why)) return new AtollError("capacity", message, "Free space below the state directory.");
  if (/no image found .*for architecture/i.test(why))
    return new AtollError("invalid_argument", message, "Take an image for this machine's architecture.");
  const hint = "Check the registry's name and the network; ATOLL_IMAGE_MAP names a mirror.";
  return new AtollError("unavailable", message, hint);
}

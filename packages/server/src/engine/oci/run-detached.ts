import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { AtollError } from "../../error.ts";
import { exitOf, type Launcher, type SpawnOptions } from "../../launcher/client.ts";

interface DetachedOptions extends SpawnOptions {
  /** Where the runtime writes what went wrong. */
  readonly log: string;
  readonly signal: AbortSignal;
}

/**
 * Runs a runtime that leaves a sandbox behind. Its stdio is an empty file that cannot be written, since the sandbox inherits and owns it:
 * a pipe would stay open for as long as the sandbox lives, and a device or file of the host would be the sandbox's to change.
 * @throws AtollError failed_to_start with the last thing the runtime said
 */
export async function runDetached(
  launcher: Launcher,
  argv: readonly string[],
  options: DetachedOptions,
): Promise<void> {
  const { signal } = options;
  const runtime = await launcher.spawnWatched(argv, options);
  // It may have ended in the meantime. Its end is awaited in any case, so that it makes nothing once its remains are removed.
  const kill = () => runtime.kill(constants.signals.SIGKILL).catch(() => undefined);
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  const { exitCode } = exitOf((await runtime.gone).status);
  signal.removeEventListener("abort", kill);
  runtime.forget();
  signal.throwIfAborted();
  if (exitCode === 0) return;
  const log = await readFile(options.log, "utf8").catch(() => "");
  const reason = log.trim().split("\n").at(-1) || `exit code ${exitCode ?? "unknown"}`;
  throw new AtollError("failed_to_start", `cannot start the runtime ${argv[0]}: ${reason}`);
}

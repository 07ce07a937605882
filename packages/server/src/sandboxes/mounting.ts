/** What is mounted into a sandbox after its root: image mounts and volumes are made of this. */
import { getSystemErrorName } from "node:util";
import type { Mount, Mounted } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import type { LiveSandbox } from "./live-sandbox.ts";

/** What the platform itself has mounted, and the root. */
const taken = ["/proc", "/dev", "/sys", "/.atoll"];

/** The path without what says nothing. @throws AtollError invalid_argument when nothing may be mounted there */
export function mountPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const plain = `/${parts.join("/")}`;
  if (!path.startsWith("/") || parts.includes("..") || path.includes("\0"))
    throw new AtollError("invalid_argument", `cannot use "${path}": it is not an absolute path without ".."`);
  if (parts.length === 0 || taken.some((root) => plain === root || plain.startsWith(`${root}/`)))
    throw new AtollError("invalid_argument", `cannot use ${plain}: the sandbox itself has something there`);
  return plain;
}

/**
 * Mounts into a claimed sandbox. The caller keeps the answer in the store, does one thing at a time with a sandbox's mounts, and
 * mounts outer paths before inner ones.
 * @throws AtollError invalid_argument for a path that cannot be; not_found for a missing sub-path
 */
export async function mountInto(live: LiveSandbox, mount: Mount, signal: AbortSignal): Promise<Mounted> {
  const { engine, holder, link } = partsOf(live);
  const mounted = await engine.mount(holder, mount, signal);
  if (mounted.bindFrom === undefined) return mounted;
  const answer = await link.mount(mounted.bindFrom, mount.path, signal).catch((error: unknown) => error as Error);
  if (!(answer instanceof Error) && answer.errno === 0) return mounted;
  await engine.unmount(holder, mounted, AbortSignal.timeout(unwindMs));
  if (answer instanceof Error) throw answer;
  const name = getSystemErrorName(-answer.errno);
  const isPoint = answer.step === "point";
  throw new AtollError(
    isPoint ? "invalid_argument" : "internal",
    `cannot mount ${mount.path}: ${isPoint ? "it cannot be made or is not a directory" : answer.step} (${name})`,
  );
}

const unwindMs = 30_000;

/** @throws AtollError conflict when something uses it */
export async function unmountFrom(live: LiveSandbox, mounted: Mounted, signal: AbortSignal): Promise<void> {
  const { engine, holder, link } = partsOf(live);
  const { bindFrom, path } = mounted;
  if (bindFrom !== undefined) {
    const { errno } = await link.unmount(bindFrom, path, signal);
    if (errno !== 0)
      throw new AtollError(
        "conflict",
        `cannot unmount ${path}: something uses it (${getSystemErrorName(-errno)})`,
        "Have the sandbox's processes close their files in it, and leave it as their working directory.",
      );
  }
  await engine.unmount(holder, mounted, signal);
  // Otherwise gVisor keeps open what it remembers, and with it the space of what is removed.
  if (bindFrom !== undefined) await link.unmount(bindFrom, "", signal);
}

function partsOf(live: LiveSandbox) {
  const { link, row, context } = live;
  if (!link || !row.holder || live.isFinished || live.ending.signal.aborted)
    throw new AtollError("sandbox_finished", `cannot change what is mounted in ${live.id}: the sandbox has ended`);
  return { link, holder: row.holder, engine: context.levels.engine(row.spec.isolation) };
}

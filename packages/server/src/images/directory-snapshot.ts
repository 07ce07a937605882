/** Snapshots of one directory of a running sandbox: an image whose root it is. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { placeIn } from "../layers/place.ts";
import { copyWritten } from "../sandboxes/copy-written.ts";
import type { LiveSandbox } from "../sandboxes/live-sandbox.ts";
import { mountPath } from "../sandboxes/mounting.ts";
import type { MountRow } from "../store/rows.ts";

export interface Whole {
  /** What the directory is looked for in: the sandbox's root, or an image mounted there. */
  readonly stack: readonly string[];
  readonly mount: MountRow | undefined;
  /** The directory in it. */
  readonly path: string;
}

/** Pure. What a directory belongs to, by its path alone: the innermost mount that it lies in. */
export function wholeOf(path: string, root: readonly string[], mounts: readonly MountRow[]): Whole {
  const plain = mountPath(path);
  const around = mounts.filter((mount) => plain === mount.path || plain.startsWith(`${mount.path}/`));
  const mount = around.toSorted((a, b) => b.path.length - a.path.length)[0];
  if (mount?.imageId === undefined && mount !== undefined)
    throw new AtollError("unsupported", `cannot snapshot ${plain}: it lies in a volume`, "Commit the volume instead.");
  return { stack: mount?.layers ?? root, mount, path: mount ? plain.slice(mount.path.length) : plain };
}

/**
 * Fills a layer with the directory alone. What the sandbox wrote is copied first, while it stands still; the rest takes its time.
 * @returns for how long it stood still, in milliseconds
 */
export async function copyDirectory(
  layers: LayerStore,
  live: LiveSandbox,
  { stack, mount, path }: Whole,
  target: string,
  signal: AbortSignal,
): Promise<number> {
  if (mount?.mounted.isOnDisk === false) {
    await layers.withMounted(stack, (root) => take(layers, root, path, target, signal), signal);
    return 0;
  }
  const written = `ly-${randomText(22)}`;
  let pausedMs = 0;
  const fill = async (directory: string) => {
    pausedMs = await copyWritten(live, directory, signal, mount?.mounted);
  };
  await layers.make(written, fill, signal);
  try {
    await layers.withMounted([...stack, written], (root) => take(layers, root, path, target, signal), signal);
    return pausedMs;
  } finally {
    layers.release(written);
    await layers.remove(written);
  }
}

async function take(layers: LayerStore, root: string, path: string, target: string, signal: AbortSignal) {
  const { path: place, exists } = await placeIn(root, path);
  const source = join(root, place);
  if (!exists) throw new AtollError("file_not_found", `cannot snapshot ${path}: there is nothing`);
  if (!(await lstat(source)).isDirectory())
    throw new AtollError("not_a_directory", `cannot snapshot ${path}: it is not a directory`);
  const argv = ["cp", "--archive", "--no-target-directory", "--", source, target];
  await layers.run(argv, `snapshot ${path}`, signal);
}

/** What a sandbox has written, once it is copied. */
import { lstat, readdir, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Takes mount points that were made in the upper layer out of it again: empty directories and empty files. A whiteout stays: a
 * sandbox may have removed what its image had. A link on the way is the sandbox's own doing, and is not followed.
 */
export async function removeMountPoints(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const parent = dirname(join(directory, name));
    if (!(await lstat(parent).catch(() => undefined))?.isDirectory()) continue;
    const path = join(directory, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() && found.size === 0) await unlink(path);
    else if (found?.isDirectory() && (await readdir(path)).length === 0) await rmdir(path);
  }
}

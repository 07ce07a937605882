import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { type CheckOptions, checkedTar } from "./checked-tar.ts";
import type { LayerStore } from "./layer-store.ts";

const attributes = ["security.capability", "trusted.overlay.opaque", "user.*"];

/**
 * Unpacks an archive from elsewhere into a directory of a new layer.
 * @param directory exists, and nobody else writes to it
 * @param scratch a file name for the checked archive; removed in the end
 */
export async function unpack(
  store: LayerStore,
  source: AsyncIterable<Buffer>,
  directory: string,
  scratch: string,
  options: CheckOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(checkedTar(source, options), createWriteStream(scratch, { mode: 0o600 }), { signal });
    const argv = ["tar", "--extract", "--file", scratch, "--directory", directory];
    argv.push("--numeric-owner", "--same-owner", "--same-permissions", "--delay-directory-restore", "--xattrs");
    argv.push(...attributes.map((name) => `--xattrs-include=${name}`));
    await store.run(argv, "unpack an archive", signal);
  } finally {
    await rm(scratch, { force: true });
  }
}

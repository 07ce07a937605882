/** A server for a test file: the runner's, or else one of its own in a temporary state directory. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const checkout = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
/** Made by a server that was set up here before; saves making the base image again. */
const usualLayers = "/var/lib/atoll/store/layers";

/**
 * Call at the top of a test file. Its tests, and programs they start, then reach the server with the default client.
 * The runner starts one server for all files and says so with ATOLL_URL; a file that is run by itself gets its own.
 */
export function useServer(): void {
  let directory: string | undefined;
  before(async () => {
    if (process.env.ATOLL_URL) return;
    directory = await mkdtemp(join(tmpdir(), "atoll-test-"));
    process.env.ATOLL_STATE_DIR = directory;
    process.env.ATOLL_BASE_IMAGE_CACHE ??= usualLayers;
    await atoll("serve", "--detach");
    const { url } = JSON.parse(await readFile(join(directory, "server.json"), "utf8"));
    process.env.ATOLL_URL = url;
    process.env.ATOLL_TOKEN = (await readFile(join(directory, "token"), "utf8")).trim();
  });
  after(async () => {
    if (!directory) return;
    delete process.env.ATOLL_URL;
    delete process.env.ATOLL_TOKEN;
    await atoll("stop");
    await rm(directory, { recursive: true, force: true });
  });
}

function atoll(...args: readonly string[]) {
  return run(join(checkout, "atoll"), args, { cwd: checkout });
}

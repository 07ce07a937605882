/** Makes the default image from the distribution's packages, so that no image registry is needed. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distributionSources, publicSources, sourcesList } from "./apt-sources.ts";
import { followBuild } from "./base-image-progress.ts";
import { machineAptConf, mmdebstrapArgv, type Recipe } from "./base-image-recipe.ts";
import { despiteMirrors } from "./mirror.ts";
import { acquireSettings } from "./private-apt.ts";
import type { Step } from "./progress.ts";
import { mustRun } from "./run-program.ts";

export interface MakeBaseImage {
  readonly recipe: Recipe;
  /** Does not exist yet, or is empty; on failure it is removed. */
  readonly targetDirectory: string;
  readonly signal: AbortSignal;
  readonly step: Step;
}

/**
 * Makes a root tree in a directory. The caller decides where it lives, and renames it into place when it is complete.
 * The tree holds no proxy, credential or apt configuration of this machine; its sources.list names the machine's mirrors.
 */
export async function makeBaseImage({ recipe, targetDirectory, signal, step }: MakeBaseImage): Promise<void> {
  const sources = await distributionSources(recipe.distribution, { signal });
  const scratch = await mkdtemp(join(tmpdir(), "atoll-sources-"));
  try {
    const sourcesFile = join(scratch, "sources.list");
    await writeFile(sourcesFile, sourcesList(sources), { mode: 0o600 });
    const configFile = join(scratch, "apt.conf");
    await writeFile(configFile, await acquireSettings({ signal }), { mode: 0o600 });
    const follow = followBuild();
    const onLine = (line: string) => {
      const state = follow(line);
      if (state) step.update(state.stage, state.fraction);
    };
    const make = async () => {
      await removeTree(targetDirectory);
      await mustRun(
        mmdebstrapArgv(recipe, targetDirectory, sourcesFile),
        "make the base image",
        "Check that apt-get update works on this machine and that the disk has 1 GB free, and try again.",
        { signal, onLine, env: { ...process.env, LC_ALL: "C", ATOLL_APT_CONF: configFile } },
      );
    };
    await despiteMirrors(make, signal);
    await finishBaseImage(targetDirectory, sourcesList(publicSources(sources)));
  } catch (error) {
    await removeTree(targetDirectory);
    throw error;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Replaces what mmdebstrap took over from this machine, and lets pip install into the system's Python. */
async function finishBaseImage(tree: string, sources: string): Promise<void> {
  const etc = join(tree, "etc");
  await rm(join(tree, machineAptConf));
  await emptyDirectory(join(etc, "apt/sources.list.d"));
  await writeFile(join(etc, "apt/sources.list"), sources);
  // Empty files: the sandbox's own are put in their place when it starts.
  await replaceFile(join(etc, "resolv.conf"), "");
  await replaceFile(join(etc, "hostname"), "");
  await replaceFile(join(etc, "hosts"), "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
  await emptyDirectory(join(tree, "dev"));
  await emptyDirectory(join(tree, "var/log"));
  // PEP 668 protects a machine's own packages from pip; a sandbox has no machine to protect.
  for (const entry of await readdir(join(tree, "usr/lib"))) {
    if (/^python3\.\d+$/.test(entry)) await rm(join(tree, "usr/lib", entry, "EXTERNALLY-MANAGED"), { force: true });
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, content, { mode: 0o644 });
}

async function emptyDirectory(directory: string): Promise<void> {
  for (const entry of await readdir(directory)) await rm(join(directory, entry), { recursive: true });
}

/** `--one-file-system`: should a mount be left inside, nothing of the machine is deleted through it. */
export async function removeTree(directory: string): Promise<void> {
  const argv = ["rm", "-rf", "--one-file-system", "--", directory];
  // Runs to its end even when the making was aborted: it is the clean-up.
  await mustRun(argv, `remove ${directory}`, "Remove it by hand.", { signal: new AbortController().signal });
}

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Launcher } from "../../launcher/client.ts";
import { runDetached } from "./run-detached.ts";
import type { Runtime, StartRequest } from "./runtime.ts";
import { carriedMounts, containerSpec, rootMount } from "./spec.ts";

const stepLimitMs = 30_000;

/**
 * Against CVE-2019-5736 crun executes a copy of itself, which it mounts on a new file in /tmp for each start; killed in between, it leaves both.
 * With this, and only from a read-only mount, it takes itself for that copy.
 */
const isItsOwnCopy = { PATH: process.env.PATH ?? "", _LIBCONTAINER_CLONED_BINARY: "1" };

/** Containers: https://github.com/containers/crun. Cgroups are ours, so that limits can be set later than the start. */
export function crun(launcher: Launcher, binary: string, stateDirectory: string): Runtime {
  const root = join(stateDirectory, "crun");
  const command = [binary, `--root=${root}`, "--cgroup-manager=disabled"];
  let filter: string | undefined;

  async function start({ key, bundle, cgroups }: StartRequest, signal: AbortSignal) {
    const pidFile = join(bundle, "pid");
    const log = join(bundle, "log");
    const argv = [...command, `--log=${log}`, "run", "--detach", `--bundle=${bundle}`, `--pid-file=${pidFile}`, key];
    await runDetached(launcher, argv, { env: isItsOwnCopy, cgroups, log, signal });
    filter ??= await compiledFilter(join(root, key));
    return launcher.watch(Number(await readFile(pidFile, "utf8")), signal);
  }

  return {
    isolation: "container",
    hasUserNamespace: true,
    // One for init.
    pidsFor: (pids) => pids + 1,
    limitsPidsInside: false,
    ownMemoryBytes: 0,
    spec: (holder, uids) => containerSpec(holder, uids, process.arch, filter),
    start,
    rootPid: async (_key, pid) => pid,
    attachment: ({ pid }) => ({
      mountNamespacePid: pid,
      userNamespacePid: pid,
      target: rootMount,
      moves: carriedMounts,
      // The runtime has made them read-only, and the user namespace keeps them so.
      closed: [],
      hasSysfs: true,
      pivot: true,
      mounts: { root: "/" },
      enter: "",
    }),
    // Made by the runtime when it is first used.
    list: () => readdir(root).catch(() => []),
    remove: async (key, signal) => {
      // Fails when the container was never created, which leaves nothing to remove.
      await launcher.run([...command, "delete", "--force", key], { signal, timeoutMs: stepLimitMs });
    },
  };
}

/** The runtime leaves the filter it compiled beside its state; compiling costs as much as all the rest of a start. */
async function compiledFilter(directory: string): Promise<string | undefined> {
  const filter = await readFile(join(directory, "seccomp.bpf")).catch(() => undefined);
  return filter?.toString("base64");
}

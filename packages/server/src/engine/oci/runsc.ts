import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../../error.ts";
import type { Launcher } from "../../launcher/client.ts";
import { runDetached } from "./run-detached.ts";
import type { Runtime, StartRequest } from "./runtime.ts";
import { controlMount, gvisorSpec, laterMounts, rootMount } from "./spec.ts";

const stepLimitMs = 60_000;
const MiB = 1024 ** 2;

/** gVisor: https://gvisor.dev/docs/. Flags: systrap needs no virtualisation; control.sock is a unix socket of the host. */
export function runsc(launcher: Launcher, binary: string, stateDirectory: string): Runtime {
  const root = join(stateDirectory, "runsc");
  const command = [
    binary,
    `--root=${root}`,
    "--ignore-cgroups",
    "--platform=systrap",
    "--network=sandbox",
    "--overlay2=none",
    "--host-uds=all",
  ];

  async function start({ key, bundle, sharesFiles, cgroups }: StartRequest, signal: AbortSignal) {
    const pidFile = join(bundle, "pid");
    const log = join(bundle, "log");
    // Exclusive access lets its kernel keep what is in a directory, and never look again.
    const access = sharesFiles ? ["--file-access=shared"] : [];
    const argv = [
      ...command,
      ...access,
      `--log=${log}`,
      "run",
      "--detach",
      `--bundle=${bundle}`,
      `--pid-file=${pidFile}`,
      key,
    ];
    await runDetached(launcher, argv, { cgroups, log, signal, hideProcSysNet: true });
    const pid = Number(await readFile(pidFile, "utf8"));
    const sentry = await launcher.watch(pid, signal);
    await takeFirst(pid);
    return sentry;
  }

  return {
    isolation: "gvisor",
    hasUserNamespace: false,
    // Threads of the sentry and the gofer, and the stubs that carry the guest's threads: up to 4 were seen for a busy process.
    pidsFor: (pids) => 256 + 6 * pids,
    limitsPidsInside: true,
    ownMemoryBytes: 64 * MiB,
    spec: (holder) => gvisorSpec(holder),
    start,
    rootPid: (key) => goferPid(root, key),
    attachment: ({ rootPid }) => ({
      mountNamespacePid: rootPid,
      userNamespacePid: 0,
      // The gofer sees the holder's root at /root, see runsc's cmd/gofer.go.
      target: `/root${rootMount}`,
      moves: [],
      // The gofer has them writable, whatever the spec says.
      closed: ["/root", `/root${controlMount}`, `/root${laterMounts}`],
      hasSysfs: false,
      pivot: false,
      mounts: { root: `/root${laterMounts}`, bindFrom: laterMounts },
      enter: rootMount,
    }),
    list: async () => [...new Set((await filesIn(root)).flatMap((name) => keyIn(name) ?? []))],
    remove: async (key, signal) => {
      await launcher.run([...command, "delete", "--force", key], { signal, timeoutMs: stepLimitMs });
      // A start that was cut short leaves a lock or a socket that no state names.
      for (const name of await filesIn(root)) if (keyIn(name) === key) await rm(join(root, name), { force: true });
    },
  };
}

/** The directory is made by the runtime when it is first used. */
function filesIn(root: string): Promise<string[]> {
  return readdir(root).catch(() => []);
}

/** `KEY_sandbox:KEY.state`, the same with `.lock`, and `runsc-KEY.sock`. */
function keyIn(name: string): string | undefined {
  const match = /^runsc-([0-9A-Za-z]+)\.sock$|^([0-9A-Za-z]+)_sandbox:/.exec(name);
  return match?.[1] ?? match?.[2];
}

/**
 * When memory ends, the kernel shall take the sentry and thereby the sandbox. Were it to take one of the stubs that carry the guest's
 * processes, which hold as much memory, that process would end with an exit code of 1 and nobody would learn why. Stubs keep 0, and a
 * process at 1000 counts for more than one at 0 that fills the whole limit.
 */
async function takeFirst(sentryPid: number): Promise<void> {
  await writeFile(`/proc/${sentryPid}/oom_score_adj`, "1000");
}

async function goferPid(root: string, key: string): Promise<number> {
  const file = (await readdir(root)).find((name) => name.startsWith(`${key}_`) && name.endsWith(".state"));
  const state: { goferPid?: unknown } = file ? JSON.parse(await readFile(join(root, file), "utf8")) : {};
  if (typeof state.goferPid === "number" && state.goferPid > 0) return state.goferPid;
  throw new AtollError("failed_to_start", "cannot find the file server of the gVisor sandbox");
}

/** Installs distribution packages with the machine's own apt. */
import { despiteMirrors } from "./mirror.ts";
import type { Step } from "./progress.ts";
import { mustRun } from "./run-program.ts";

/** Another apt (a machine's unattended upgrade) may hold the lock for a while. */
const lockSeconds = 300;

export function installPackages(packages: readonly string[], step: Step, signal: AbortSignal): Promise<void> {
  return despiteMirrors(() => updateAndInstall(packages, step, signal), signal);
}

async function updateAndInstall(packages: readonly string[], step: Step, signal: AbortSignal): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const lock = ["-o", `DPkg::Lock::Timeout=${lockSeconds}`];
  const byHand = `Run apt-get update && apt-get install ${packages.join(" ")} by hand to see what is wrong.`;
  step.update("reading package lists");
  await mustRun(["apt-get", "update", "--quiet", ...lock], "read the package lists", byHand, { signal, env });
  const follow = followInstall();
  const onLine = (line: string) => {
    const state = follow(line);
    if (state) step.update(state.stage, state.fraction);
  };
  const argv = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", ...lock, "--", ...packages];
  await mustRun(argv, `install ${packages.join(" ")}`, byHand, { signal, env, onLine });
}

const stages = [
  { line: /^Get:\d+ /, stage: "fetching packages" },
  { line: /^Unpacking /, stage: "unpacking packages" },
  { line: /^Setting up /, stage: "setting packages up" },
];

/** Pure: apt's lines to what it is at; each package is fetched, unpacked and set up. */
export function followInstall(): (line: string) => { stage: string; fraction: number } | undefined {
  let total = 0;
  let done = 0;
  return (line) => {
    total = Number(/(\d+) newly installed/.exec(line)?.[1] ?? total);
    const found = stages.find((candidate) => candidate.line.test(line));
    if (!found) return undefined;
    done += 1;
    return { stage: found.stage, fraction: total > 0 ? Math.min(1, done / (stages.length * total)) : 0 };
  };
}

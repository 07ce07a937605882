/** gVisor's runtime: one on PATH if it is new enough, else the distribution's newest that runs here. */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type AptSource, distributionSources } from "./apt-sources.ts";
import type { Distribution } from "./machine.ts";
import { openPrivateApt } from "./private-apt.ts";
import type { Step } from "./progress.ts";
import { runProgram } from "./run-program.ts";
import { SetupError } from "./setup-error.ts";

/** The first release seen to pass the self-check on current kernels: systrap, statx(2) of current coreutils. */
export const oldestRunsc = 20_240_729;

export interface Runsc {
  readonly path: string;
  /** Date of the release, such as 20240729. */
  readonly version: number;
}

export function fetchedRunscPath(stateDirectory: string): string {
  return join(stateDirectory, "tools/runsc");
}

/** The runtime to use; undefined when neither PATH nor the state directory has one that is new enough. */
export async function findRunsc(stateDirectory: string, signal: AbortSignal): Promise<Runsc | undefined> {
  for (const path of ["runsc", fetchedRunscPath(stateDirectory)]) {
    const version = await runscVersion(path, signal);
    if (version !== undefined && version >= oldestRunsc) return { path, version };
  }
  return undefined;
}

async function runscVersion(path: string, signal: AbortSignal): Promise<number | undefined> {
  const { exitCode, output } = await runProgram([path, "--version"], { signal });
  return exitCode === 0 ? releaseDate(output) : undefined;
}

/** Pure: `runsc version release-20240729.0` and Debian's `0.0~20240729.0` both name the day. */
export function releaseDate(text: string): number | undefined {
  const date = /\b(20\d{6})\b/.exec(text)?.[1];
  return date === undefined ? undefined : Number(date);
}

/** Fetches a package that is new enough and runs here, trying the suites that fit this release best first. */
export async function fetchRunsc(stateDirectory: string, distribution: Distribution, step: Step, signal: AbortSignal) {
  const machineSources = await distributionSources(distribution, { signal });
  for (const suite of candidateSuites(distribution)) {
    step.update(`looking in ${suite}`);
    const sources = sourcesOfSuite(machineSources, distribution, suite);
    if (await fetchFrom(sources, stateDirectory, signal).catch(noSuchSuite)) return;
  }
  throw new SetupError(
    `cannot find runsc ${oldestRunsc} or newer in the suites of ${distribution.vendor} ${distribution.codename}`,
    "Install runsc from gvisor.dev and put it on PATH; until then sandboxes run with --isolation container.",
  );

  function noSuchSuite(error: unknown): false {
    signal.throwIfAborted();
    if (error instanceof SetupError) return false;
    throw error;
  }
}

/** Pure: later releases last, as their programs may need a newer C library. */
export function candidateSuites({ vendor, codename }: Distribution): string[] {
  const own = [`${codename}-backports`, codename];
  return vendor === "Debian" ? [...own, "stable", "testing"] : own;
}

function sourcesOfSuite(sources: readonly AptSource[], distribution: Distribution, suite: string): AptSource[] {
  return sources.filter((source) => source.suite === distribution.codename).map((source) => ({ ...source, suite }));
}

/** @returns whether a runtime that fits was found and put in place */
async function fetchFrom(sources: readonly AptSource[], stateDirectory: string, signal: AbortSignal): Promise<boolean> {
  const tools = join(stateDirectory, "tools");
  const aptDirectory = join(tools, "apt");
  const unpacked = join(tools, "runsc.partial");
  await mkdir(tools, { recursive: true });
  try {
    const apt = await openPrivateApt(aptDirectory, sources, { signal });
    const version = (await apt.versions("runsc")).find((text) => (releaseDate(text) ?? 0) >= oldestRunsc);
    if (version === undefined) return false;
    await apt.unpack("runsc", version, unpacked);
    const program = join(unpacked, "usr/bin/runsc");
    if ((await runscVersion(program, signal)) === undefined) return false;
    await rename(program, fetchedRunscPath(stateDirectory));
    return true;
  } finally {
    await rm(unpacked, { recursive: true, force: true });
    await rm(aptDirectory, { recursive: true, force: true });
  }
}

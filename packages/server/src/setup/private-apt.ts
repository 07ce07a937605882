/**
 * apt with its own configuration, lists and cache, so that packages of other suites can be fetched without touching
 * /etc/apt or /var/lib/apt. How the machine reaches its mirrors (proxy, credentials, certificates) is taken over.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AptSource, sourcesList } from "./apt-sources.ts";
import { despiteMirrors } from "./mirror.ts";
import { mustRun, type RunOptions, runProgram } from "./run-program.ts";

/** The machine's settings for reaching a mirror, in apt.conf(5) syntax. */
export async function acquireSettings(options: RunOptions): Promise<string> {
  const dump = await mustRun(
    ["apt-config", "dump"],
    "read apt's configuration",
    "Run apt-config dump by hand.",
    options,
  );
  return acquireSettingsFrom(dump);
}

/** Pure. Index targets are left out: they would fetch icons and descriptions. Credentials stay in their own files. */
export function acquireSettingsFrom(dump: string): string {
  const wanted = dump
    .split("\n")
    .filter((line) => line.startsWith("Acquire::") && !line.startsWith("Acquire::IndexTargets"));
  return [...wanted, 'Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";', ""].join(
    "\n",
  );
}

export interface PrivateApt {
  /** Newest versions first. */
  versions(name: string): Promise<string[]>;
  /** Unpacks one version of a package, without its dependencies, into a directory. */
  unpack(name: string, version: string, directory: string): Promise<void>;
}

/** Reads the lists of the given sources. @throws SetupError when none of them could be read */
export async function openPrivateApt(
  directory: string,
  sources: readonly AptSource[],
  options: RunOptions,
): Promise<PrivateApt> {
  const at = (name: string) => join(directory, name);
  await mkdir(at("lists/partial"), { recursive: true });
  await mkdir(at("archives/partial"), { recursive: true });
  await writeFile(at("sources.list"), sourcesList(sources), { mode: 0o600 });
  await writeFile(at("apt.conf"), (await acquireSettings(options)) + privateSettings(directory), { mode: 0o600 });
  const run: RunOptions = {
    ...options,
    env: { ...process.env, APT_CONFIG: at("apt.conf"), LC_ALL: "C" },
    cwd: directory,
  };
  const hint = "Check that apt-get update works on this machine.";
  // Else lists that could not be read are left out with a warning.
  const update = ["apt-get", "update", "--quiet", "--error-on=any"];
  await despiteMirrors(() => mustRun(update, "read the package lists", hint, run), options.signal);
  return {
    versions: async (name) => {
      const { output } = await runProgram(["apt-cache", "madison", name], run);
      return madisonVersions(output, name);
    },
    unpack: async (name, version, target) => {
      const argv = ["apt-get", "download", "--quiet", "--print-uris", `${name}=${version}`];
      const printed = await mustRun(argv, `find ${name} ${version}`, hint, run);
      const download = ["apt-get", "download", "--quiet", `${name}=${version}`];
      await despiteMirrors(() => mustRun(download, `download ${name} ${version}`, hint, run), options.signal);
      const downloaded = at(/^'[^']*' (\S+) /m.exec(printed)?.[1] ?? `${name}.deb`);
      await mkdir(target, { recursive: true });
      await mustRun(["dpkg-deb", "-x", downloaded, target], `unpack ${name}`, hint, run);
      await rm(downloaded, { force: true });
    },
  };
}

/**
 * Dir::Etc::main and ::parts point at nothing, so hooks and pins of the machine do not run here. APT::Sandbox::User is
 * root because apt's own user cannot enter a state directory that only root may read.
 */
function privateSettings(directory: string): string {
  const settings = {
    "Dir::Etc::main": "/dev/null",
    "Dir::Etc::parts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State::lists": join(directory, "lists"),
    "Dir::Cache": directory,
    "Dir::Cache::archives": join(directory, "archives"),
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join("");
}

/** Pure: `apt-cache madison` prints ` name | version | source`, newest first. */
export function madisonVersions(output: string, name: string): string[] {
  const rows = output.split("\n").map((row) => row.split("|").map((cell) => cell.trim()));
  return [...new Set(rows.flatMap(([found, version]) => (found === name && version ? [version] : [])))];
}

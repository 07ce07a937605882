/**
 * The distribution's own package sources as this machine has them configured. Third-party sources are left out, and no
 * mirror is known to us: whatever the machine uses is used.
 */
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import type { Distribution } from "./machine.ts";
import { type RunOptions, runProgram } from "./run-program.ts";
import { SetupError } from "./setup-error.ts";

export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of a keyring; undefined when apt's own trusted keys are used. */
  readonly signedBy?: string | undefined;
}

const format = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)";

/** @throws SetupError when apt knows no source of the distribution */
export async function distributionSources(distribution: Distribution, options: RunOptions): Promise<AptSource[]> {
  // indextargets reads both formats of source files, and the Release files already fetched.
  const { output } = await runProgram(["apt-get", "indextargets", "--format", format, "Created-By: Packages"], options);
  const keyrings = keyringsOf(await sourceFiles());
  const sources = sourcesFromIndexTargets(output, distribution, keyrings);
  if (sources.some((source) => source.suite === distribution.codename)) return sources.map(withArchiveKeyring);
  throw new SetupError(
    `cannot find the ${distribution.vendor} ${distribution.codename} package source of this machine`,
    `Add a source of ${distribution.vendor} ${distribution.codename} to /etc/apt/sources.list.d, run apt-get update, and try again.`,
  );

  function withArchiveKeyring(source: AptSource): AptSource {
    return source.signedBy ? source : { ...source, signedBy: archiveKeyring(distribution) };
  }
}

/** Pure: the lines that `apt-get indextargets` printed, to one source a repository and suite. */
export function sourcesFromIndexTargets(
  output: string,
  distribution: Distribution,
  keyrings: ReadonlyMap<string, string>,
): AptSource[] {
  const found = new Map<string, AptSource>();
  for (const line of output.split("\n")) {
    const [uri, suite, component, origin] = line.split("|").map(known);
    if (!uri || !suite || !component) continue;
    const signedBy = keyrings.get(normalUri(uri));
    if (!isOurs({ suite, component, origin, signedBy }, distribution)) continue;
    const key = `${uri} ${suite}`;
    const components = new Set([...(found.get(key)?.components ?? []), component]);
    found.set(key, { uri, suite, components: [...components], signedBy });
  }
  return [...found.values()];
}

/** apt prints a field it does not know as its own name. */
function known(field: string): string | undefined {
  return field === "" || field.startsWith("$(") ? undefined : field;
}

interface Target {
  readonly suite: string;
  readonly component: string;
  readonly origin: string | undefined;
  readonly signedBy: string | undefined;
}

function isOurs(target: Target, { vendor, codename }: Distribution): boolean {
  const suites = [codename, `${codename}-updates`, `${codename}-security`];
  const components = vendor === "Ubuntu" ? ["main", "universe"] : ["main"];
  if (!suites.includes(target.suite) || !components.includes(target.component)) return false;
  if (target.origin !== undefined) return target.origin === vendor;
  // Nothing was fetched yet: then the key tells. A third party signs with its own.
  return target.signedBy === undefined || target.signedBy.includes(`${vendor.toLowerCase()}-archive-keyring`);
}

async function sourceFiles(): Promise<string> {
  const texts: string[] = [];
  const patterns = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"];
  for await (const path of glob(patterns)) texts.push(await readFile(path, "utf8"));
  return texts.join("\n\n");
}

/** Pure: which keyring file the machine's source files name for an address. Keys written into the file itself are not followed. */
export function keyringsOf(text: string): Map<string, string> {
  const keyrings = new Map<string, string>();
  for (const stanza of text.split(/\n\s*\n/)) {
    const keyring = /^Signed-By:\s*(\/\S+)/m.exec(stanza)?.[1];
    const uris = /^URIs:\s*(.+)$/m.exec(stanza)?.[1]?.split(/\s+/) ?? [];
    for (const uri of uris) if (keyring) keyrings.set(normalUri(uri), keyring);
  }
  for (const match of text.matchAll(/^deb\s+\[[^\]]*signed-by=([^\s\]]+)[^\]]*\]\s+(\S+)/gm)) {
    if (match[1] && match[2]) keyrings.set(normalUri(match[2]), match[1]);
  }
  return keyrings;
}

function normalUri(uri: string): string {
  return uri.replace(/\/*$/, "/");
}

function archiveKeyring({ vendor }: Distribution): string | undefined {
  const stem = `/usr/share/keyrings/${vendor.toLowerCase()}-archive-keyring`;
  return [`${stem}.pgp`, `${stem}.gpg`].find((path) => existsSync(path));
}

/** Pure: sources.list(5), one-line format. */
export function sourcesList(sources: readonly AptSource[]): string {
  return sources
    .map(({ uri, suite, components, signedBy }) => {
      const options = signedBy ? ` [signed-by=${signedBy}]` : "";
      return `deb${options} ${uri} ${suite} ${components.join(" ")}\n`;
    })
    .join("");
}

/** Pure: the same sources as an image may show them: without credentials, and without keyrings that only this machine has. */
export function publicSources(sources: readonly AptSource[]): AptSource[] {
  return sources.map(({ signedBy, ...source }) => ({
    ...source,
    uri: source.uri.replace(/^([a-z+]+:\/\/)[^/@]*@/, "$1"),
    signedBy: signedBy?.startsWith("/usr/share/keyrings/") ? signedBy : undefined,
  }));
}

/** What the default image consists of. Pure: a change here changes the recipe's hash, and so the layer that is made. */
import { createHash } from "node:crypto";
import type { Distribution } from "./machine.ts";

/**
 * Python with pip and venv is what most sandboxed programs start with; curl and ca-certificates fetch over HTTPS;
 * procps gives ps, top and kill; netbase names ports and protocols for getservbyname(3). Together about 160 MB on disk.
 */
const packages = [
  "ca-certificates",
  "curl",
  "netbase",
  "procps",
  "python-is-python3",
  "python3",
  "python3-pip",
  "python3-venv",
];

/** Stays in the image, so that packages installed inside leave these out as well. Licences are kept. */
const dpkgOptions = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/man/*",
];

/** Raised when `finishBaseImage` changes what it does to the tree. */
const finishVersion = 1;

/** Makes /bin, /sbin and /lib symlinks where the release does so by a package that would bring all of Perl along. */
const mergedUsrHook = "/usr/share/mmdebstrap/hooks/maybe-merged-usr";

export interface Recipe {
  readonly distribution: Distribution;
  /** Name of the layer: the release and a hash of all that decides its content. */
  readonly name: string;
}

export function baseImageRecipe(distribution: Distribution): Recipe {
  const decides = JSON.stringify([distribution, packages, dpkgOptions, finishVersion]);
  const hash = createHash("sha256").update(decides).digest("hex").slice(0, 12);
  return { distribution, name: `base-${distribution.codename}-${hash}` };
}

/** Where this machine's settings for reaching its mirrors are in the tree while it is made. */
export const machineAptConf = "etc/apt/apt.conf.d/98machine";

/** The command that makes the tree. `sourcesFile` is in sources.list(5) format; ATOLL_APT_CONF in its environment names an apt.conf(5) file. */
export function mmdebstrapArgv(recipe: Recipe, targetDirectory: string, sourcesFile: string): string[] {
  return [
    "mmdebstrap",
    "--mode=root",
    "--format=directory",
    "--variant=minbase",
    // apt's and dpkg's own lines are what progress is read from.
    "--verbose",
    `--setup-hook=cp "$ATOLL_APT_CONF" "$1/${machineAptConf}"`,
    `--hook-dir=${mergedUsrHook}`,
    `--include=${packages.join(",")}`,
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    recipe.distribution.codename,
    targetDirectory,
    sourcesFile,
  ];
}

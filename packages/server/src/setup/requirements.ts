/** Everything Atoll needs of a machine, in the order it is installed: packages, then what is built or fetched with them. */
import { baseImageRecipe } from "./base-image-recipe.ts";
import { ensureBaseImage, findBaseImage } from "./ensure-base-image.ts";
import { distributionOf, type Machine } from "./machine.ts";
import { areNativeProgramsBuilt, buildNativePrograms } from "./native-programs.ts";
import { program } from "./programs.ts";
import type { Requirement } from "./requirement.ts";
import { fetchRunsc, findRunsc, oldestRunsc } from "./runsc.ts";
import { SetupError } from "./setup-error.ts";

const compiler = program({
  name: "gcc",
  why: "building the launcher and init",
  packages: ["gcc", "libc6-dev"],
});

const nativePrograms: Requirement = {
  name: "native programs",
  why: "starting sandboxes and the processes in them",
  async check() {
    return (await areNativeProgramsBuilt())
      ? { isFound: true }
      : { isFound: false, detail: "native/build is missing or older than its sources" };
  },
  fix: {
    kind: "act",
    title: "building the native programs",
    byHand: "Run sh native/build.sh in the checkout.",
    act: ({ signal }) => buildNativePrograms(signal),
  },
};

const runsc: Requirement = {
  name: "runsc",
  why: "isolation level gvisor",
  isOptional: true,
  async check({ stateDirectory, signal }) {
    const found = await findRunsc(stateDirectory, signal);
    if (found) return { isFound: true, version: String(found.version), path: found.path };
    return { isFound: false, detail: `no runsc of ${oldestRunsc} or newer on PATH or in the state directory` };
  },
  fix: {
    kind: "act",
    title: "fetching runsc",
    byHand: "Install runsc from gvisor.dev and put it on PATH.",
    act: ({ machine, stateDirectory, signal }, step) => fetchRunsc(stateDirectory, mustKnow(machine), step, signal),
  },
};

const baseImage: Requirement = {
  name: "base image",
  why: "sandboxes that name no image",
  async check({ machine, stateDirectory }) {
    const recipe = baseImageRecipe(mustKnow(machine));
    const path = await findBaseImage(stateDirectory, recipe);
    return path
      ? { isFound: true, version: recipe.name, path }
      : { isFound: false, detail: `${recipe.name} has not been made yet` };
  },
  fix: {
    kind: "act",
    title: "making the base image",
    byHand: "Run atoll setup on a Debian or Ubuntu machine.",
    act: ({ machine, stateDirectory, signal }, step) =>
      ensureBaseImage(stateDirectory, baseImageRecipe(mustKnow(machine)), step, signal),
  },
};

export const requirements: readonly Requirement[] = [
  program({ name: "crun", why: "isolation level container", packages: ["crun"] }),
  program({ name: "ip", why: "the network of sandboxes", packages: ["iproute2"], versionArgv: ["ip", "-V"] }),
  program({ name: "nft", why: "the firewall between sandboxes", packages: ["nftables"] }),
  program({
    name: "mkfs.ext4",
    why: "the disk of sandboxes",
    packages: ["e2fsprogs"],
    versionArgv: ["mkfs.ext4", "-V"],
  }),
  {
    ...program({
      name: "mkfs.xfs",
      why: "snapshots that pause a sandbox for milliseconds",
      packages: ["xfsprogs"],
      versionArgv: ["mkfs.xfs", "-V"],
    }),
    isOptional: true,
  },
  program({ name: "mmdebstrap", why: "making the base image", packages: ["mmdebstrap"] }),
  program({ name: "skopeo", why: "pulling images of registries", packages: ["skopeo"] }),
  compiler,
  nativePrograms,
  runsc,
  baseImage,
];

function mustKnow(machine: Machine) {
  const distribution = distributionOf(machine);
  if (distribution) return distribution;
  throw new SetupError(
    "cannot make out which Debian or Ubuntu release this machine has",
    "VERSION_CODENAME in /etc/os-release names it; without one, packages cannot be taken from the distribution.",
  );
}

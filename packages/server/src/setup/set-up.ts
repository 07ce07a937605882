/** Gets what is missing, and nothing else. */
import { distributionOf, type Machine } from "./machine.ts";
import { installPackages } from "./packages.ts";
import type { Progress } from "./progress.ts";
import type { Context, Finding, Requirement } from "./requirement.ts";
import { SetupError } from "./setup-error.ts";

export async function setUp(requirements: readonly Requirement[], context: Context, progress: Progress): Promise<void> {
  await installMissingPackages(requirements, context, progress);
  for (const requirement of requirements) await fixByActing(requirement, context, progress);
}

/** @throws SetupError when sandboxes cannot run here at all */
export function mustBeLinuxRoot(machine: Machine): void {
  if (machine.platform !== "linux") {
    throw new SetupError(
      `cannot run sandboxes on ${machine.platform}`,
      "Run the server on Linux, and set ATOLL_URL and ATOLL_TOKEN here to use it.",
    );
  }
  if (!machine.isRoot) {
    throw new SetupError(
      "cannot set this machine up without being root",
      "Run the command as root (sudo), or set ATOLL_URL and ATOLL_TOKEN to use a server that runs already.",
    );
  }
}

async function installMissingPackages(
  requirements: readonly Requirement[],
  context: Context,
  progress: Progress,
): Promise<void> {
  const needed = requirements.filter(({ isOptional }) => !isOptional);
  const packages = await missingPackages(needed, context);
  const all = await missingPackages(requirements, context);
  if (packages.length > 0 && !distributionOf(context.machine)) throw new SetupError(...notDebian(packages));
  if (all.length === 0 || !distributionOf(context.machine)) return;
  const install = (names: readonly string[]) =>
    progress.step(`installing ${names.join(" ")}`, (step) => installPackages(names, step, context.signal));
  try {
    await install(all);
  } catch (error) {
    context.signal.throwIfAborted();
    if (all.length === packages.length || !(error instanceof SetupError)) throw error;
    progress.note(`going on with what is needed alone: ${error.message}`);
    if (packages.length > 0) await install(packages);
  }
  await mustNowBeThere(needed, context);
}

async function missingPackages(requirements: readonly Requirement[], context: Context): Promise<string[]> {
  const missing = new Set<string>();
  for (const requirement of requirements) {
    if (requirement.fix.kind !== "packages" || (await requirement.check(context)).isFound) continue;
    for (const name of requirement.fix.packages) missing.add(name);
  }
  return [...missing];
}

async function mustNowBeThere(requirements: readonly Requirement[], context: Context): Promise<void> {
  for (const { name, fix, check } of requirements) {
    const finding: Finding | undefined = fix.kind === "packages" ? await check(context) : undefined;
    if (finding?.isFound !== false) continue;
    throw new SetupError(`cannot find ${name} after installing its packages: ${finding.detail}`, "Check PATH.");
  }
}

function notDebian(packages: readonly string[]): [string, string] {
  return [
    `cannot install what is missing (Debian packages: ${packages.join(" ")}): this is neither Debian nor Ubuntu`,
    "Install the same programs with this machine's package manager, and try again.",
  ];
}

async function fixByActing(requirement: Requirement, context: Context, progress: Progress): Promise<void> {
  const { fix } = requirement;
  if (fix.kind !== "act" || (await requirement.check(context)).isFound) return;
  try {
    await progress.step(fix.title, (step) => fix.act(context, step));
  } catch (error) {
    context.signal.throwIfAborted();
    if (!requirement.isOptional || !(error instanceof SetupError)) throw error;
    progress.note(`going on without ${requirement.name}, needed for ${requirement.why}: ${error.message}`);
  }
}

/** Programs of distribution packages. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Finding, Requirement } from "./requirement.ts";
import { runProgram } from "./run-program.ts";

/** Root's programs are in sbin, which a user's PATH may lack. */
const systemDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of [...(process.env.PATH ?? "").split(":"), ...systemDirectories]) {
    const path = join(directory, name);
    if (directory !== "" && (await isExecutable(path))) return path;
  }
  return undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

interface Program {
  readonly name: string;
  readonly why: string;
  readonly packages: readonly string[];
  readonly versionArgv?: readonly string[];
}

/** A requirement that is there once a program is on PATH. */
export function program({ name, why, packages, versionArgv = [name, "--version"] }: Program): Requirement {
  return {
    name,
    why,
    fix: { kind: "packages", packages },
    async check({ signal }): Promise<Finding> {
      const path = await findProgram(name);
      if (!path) return { isFound: false, detail: `${name} is not on PATH` };
      const { output } = await runProgram([path, ...versionArgv.slice(1)], { signal });
      return { isFound: true, path, version: versionIn(output) };
    },
  };
}

/** Pure: the first thing in a program's answer that looks like a version. */
export function versionIn(output: string): string | undefined {
  return /\bv?(\d+\.\d+(?:[.\w~+-]*\w)?)/.exec(output)?.[1];
}

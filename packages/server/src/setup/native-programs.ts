/** The launcher and init, built from native/ by the machine's C compiler. */
import { createHash } from "node:crypto";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun } from "./run-program.ts";

const nativeDirectory = fileURLToPath(new URL("../../../../native", import.meta.url));
const buildDirectory = join(nativeDirectory, "build");
const stampFile = join(buildDirectory, ".sources");
const programs = ["init", "launcher"];

/** Whether what is built was built from the sources as they are. */
export async function areNativeProgramsBuilt(): Promise<boolean> {
  try {
    await Promise.all(programs.map((name) => access(join(buildDirectory, name))));
    return (await readFile(stampFile, "utf8")) === (await hashOfSources());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

export async function buildNativePrograms(signal: AbortSignal): Promise<void> {
  const hash = await hashOfSources();
  const hint = "Check that gcc and libc6-dev are installed and that the checkout is writable.";
  await mustRun(["sh", join(nativeDirectory, "build.sh")], "build the native programs", hint, { signal });
  await writeFile(stampFile, hash);
}

async function hashOfSources(): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(nativeDirectory)).filter((name) => /\.(c|h|sh)$/.test(name)).sort();
  for (const name of names) hash.update(name).update(await readFile(join(nativeDirectory, name)));
  return hash.digest("hex");
}

/**
 * What serves all holders is mounted read-only, in the launcher's mount namespace alone: even a sandbox that took over its init and its runtime's
 * view of files must not reach what the next sandbox starts with. Each has the digest of its content in its name, since a holder that
 * an earlier release started still runs from the one before.
 */
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { AtollError } from "../../error.ts";
import type { Launcher } from "../../launcher/client.ts";
import { carriedMounts, rootMount } from "./spec.ts";

const mountLimitMs = 10_000;

/** The directory that holders have for a root: init, and the mount points that it needs. */
export async function readOnlyHolderRoot(
  launcher: Launcher,
  init: string,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const root = join(directory, `holder-${await digest(init)}`);
  if (await isMounted(root)) return root;
  await rm(root, { recursive: true, force: true });
  for (const name of [...carriedMounts, "sys", "etc", "tmp", rootMount])
    await mkdir(join(root, name), { recursive: true, mode: 0o755 });
  await copyProgram(init, join(root, "init"));
  await mountReadOnly(launcher, root, signal);
  return root;
}

export async function readOnlyProgram(
  launcher: Launcher,
  program: string,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const path = join(directory, `${basename(program)}-${await digest(program)}`);
  if (await isMounted(path)) return path;
  await copyProgram(program, path);
  await mountReadOnly(launcher, path, signal);
  return path;
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex")
    .slice(0, 16);
}

async function copyProgram(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}

async function isMounted(path: string): Promise<boolean> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  return mounts.split("\n").some((line) => line.split(" ")[4] === path);
}

async function mountReadOnly(launcher: Launcher, path: string, signal: AbortSignal): Promise<void> {
  const argv = ["mount", "--bind", "-o", "ro", path, path];
  const mounted = await launcher.run(argv, { signal, timeoutMs: mountLimitMs });
  if (mounted.exitCode !== 0)
    throw new AtollError("internal", `cannot mount ${path} read-only: ${mounted.stderr.trim()}`);
}

/** Native programs for the tests, built into a directory of their own. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

const native = join(import.meta.dirname, "../../../../native");

export interface Build {
  readonly name: "plain" | "sanitized";
  readonly launcher: string;
}

/** The release build of the launcher and the one that AddressSanitizer and UndefinedBehaviorSanitizer watch. */
export function builds(): Build[] {
  for (const SANITIZE of ["", "1"]) {
    const env = { ...process.env, PROGRAMS: "launcher", SANITIZE };
    execFileSync("sh", [join(native, "build.sh")], { stdio: "pipe", env });
  }
  return [
    { name: "plain", launcher: join(native, "build/launcher") },
    { name: "sanitized", launcher: join(native, "build/sanitize/launcher") },
  ];
}

const warnings = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"];

/** Builds one of this folder's C programs, statically, so that it runs in a root that holds nothing else. */
export function buildStatic(name: string, directory: string): string {
  const out = join(directory, name);
  execFileSync("cc", [...warnings, "-O1", "-static", "-o", out, join(import.meta.dirname, `${name}.c`)]);
  return out;
}

export function buildDecoder(directory: string): string {
  const out = join(directory, "decode-requests");
  const sources = [join(import.meta.dirname, "decode-requests.c"), join(native, "launcher_request.c")];
  const sanitize = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  execFileSync("cc", [...warnings, ...sanitize, "-o", out, ...sources]);
  return out;
}

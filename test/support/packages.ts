/** Programs of the distribution that a test holds this project against. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Installs what is not there. @param programs packages, by a program that each has */
export function needPackages(programs: Readonly<Record<string, string>>): void {
  const missing = Object.entries(programs).filter(([path]) => !existsSync(path));
  if (missing.length === 0) return;
  const names = missing.map(([, name]) => name);
  // Another test file may be at it.
  const lock = ["-o", "DPkg::Lock::Timeout=300"];
  const argv = ["install", "-y", "-qq", "--no-install-recommends", ...lock, ...names];
  execFileSync("apt-get", argv, { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
}

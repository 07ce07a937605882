/** PyPI's modal, in a virtual environment that is made once for a checkout. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { checkout } from "../support/server.ts";

const run = promisify(execFile);
const version = "1.5.4";
const environment = join(checkout, "node_modules/.cache", `modal-${version}`);

export interface PythonClient {
  /** Runs a program. @returns what it printed */
  python(program: string): Promise<string>;
  /** Runs the command `modal`. @returns what it printed */
  modal(...args: readonly string[]): Promise<string>;
}

export async function pythonClient(): Promise<PythonClient> {
  if (!existsSync(environment)) await install();
  const python = join(environment, "bin/python");
  const env = () => ({ ...process.env, COLUMNS: "200", NO_COLOR: "1", MODAL_DISABLE_API_PROXY: "1" });
  const output = async (args: readonly string[]) => (await run(python, args, { env: env(), timeout: 120_000 })).stdout;
  return { python: (program) => output(["-c", program]), modal: (...args) => output(["-m", "modal", ...args]) };
}

/** Named when it is whole. Programs in it know another path than that; they are run by their interpreter. */
async function install(): Promise<void> {
  const making = `${environment}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  await run("python3", ["-m", "venv", making]);
  await run(join(making, "bin/python"), [
    "-m",
    "pip",
    "install",
    "--quiet",
    "python-dotenv==1.2.1",
    `modal==${version}`,
  ]);
  await rename(making, environment);
}

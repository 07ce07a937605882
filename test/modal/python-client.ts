/** PyPI's modal, in a virtual environment that is made once for a checkout. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";
import { Client } from "@atoll/sdk";
import { checkout } from "../support/server.ts";

const run = promisify(execFile);
/** The one most programs have, and the newest there was. */
export const pythonVersions = ["1.5.4", "1.6.4"] as const;
type Version = (typeof pythonVersions)[number];

export interface PythonClient {
  /** Runs a program. @returns what it printed */
  python(program: string): Promise<string>;
  /** Runs the command `modal`. @returns what it printed */
  modal(...args: readonly string[]): Promise<string>;
}

/** What pip says where it reaches nothing to install from. */
const unreachable = /Retrying|No matching distribution|Could not fetch/;

/** For each test that needs the client: skipped, and says so, where it cannot be installed. */
export const withPython: { readonly skip: string | false } = { skip: await installed() };

function environmentOf(version: Version): string {
  return join(checkout, "node_modules/.cache", `modal-${version}`);
}

/** @returns why it cannot be */
async function installed(): Promise<string | false> {
  try {
    for (const version of pythonVersions)
      if (!existsSync(environmentOf(version))) await install(version, environmentOf(version));
    return false;
  } catch (error) {
    const { stderr = "" } = error as { readonly stderr?: string };
    if (!unreachable.test(stderr)) throw error;
    return "the package index of Python cannot be reached";
  }
}

function pythonClient(version: Version): PythonClient {
  const environment = environmentOf(version);
  const python = join(environment, "bin/python");
  const env = () => ({ ...process.env, COLUMNS: "200", NO_COLOR: "1", MODAL_DISABLE_API_PROXY: "1" });
  const output = async (args: readonly string[]) => (await run(python, args, { env: env(), timeout: 120_000 })).stdout;
  return { python: (program) => output(["-c", program]), modal: (...args) => output(["-m", "modal", ...args]) };
}

/** Call at the top of a test file, before `useServer`: its token goes before the server does. Programs then have a token of this name. */
export function usePython(name: string): (version: Version) => Promise<PythonClient> {
  let tokenId: string | undefined;
  after(async () => {
    if (tokenId) await new Client().request("deleteToken", { params: { tokenId } });
  });
  return async (version) => {
    if (!tokenId) {
      const created = await new Client().request("createToken", { body: { name } });
      tokenId = created.id;
      process.env.MODAL_SERVER_URL = process.env.ATOLL_URL;
      process.env.MODAL_TOKEN_ID = created.id;
      process.env.MODAL_TOKEN_SECRET = created.token;
    }
    return pythonClient(version);
  };
}

/** Named when it is whole. Programs in it know another path than that; they are run by their interpreter. */
async function install(version: Version, environment: string): Promise<void> {
  const making = `${environment}.${process.pid}.making`;
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
  // Another test file may have been faster.
  await rename(making, environment).catch(() => rm(making, { recursive: true }));
}

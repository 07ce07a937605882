/** A real Chromium, installed when the machine has none, that trusts an authority as its user would have it do: by the NSS database of its home. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { installPackages } from "../../packages/server/src/setup/packages.ts";
import { showProgress } from "../../packages/server/src/setup/progress.ts";

const run = promisify(execFile);
/** Each package by a program of it. */
const wanted = { chromium: "/usr/bin/chromium", "libnss3-tools": "/usr/bin/certutil" };
const installLimitMs = 300_000;
const actLimitMs = 60_000;

export interface OpenBrowser extends AsyncDisposable {
  readonly browser: Browser;
}

/** @param authority in PEM */
export async function openBrowser(authority: string): Promise<OpenBrowser> {
  await ensureInstalled();
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "atoll-browser-"));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  await trust(home, authority);
  // Sandboxes of its own need a user who is not root.
  const args = ["--no-sandbox"];
  const env = { PATH: process.env.PATH ?? "", HOME: home };
  const browser = await chromium.launch({ executablePath: wanted.chromium, args, env, timeout: actLimitMs });
  stack.defer(() => browser.close());
  const held = stack.move();
  return { browser, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function ensureInstalled(): Promise<void> {
  const missing = Object.entries(wanted).filter(([, program]) => !existsSync(program));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  await showProgress(process.stderr).step(`installing ${names.join(" and ")}`, (step) =>
    installPackages(names, step, AbortSignal.timeout(installLimitMs)),
  );
}

async function trust(home: string, authority: string): Promise<void> {
  const database = join(home, ".pki/nssdb");
  const file = join(home, "authority.pem");
  await mkdir(database, { recursive: true });
  await writeFile(file, authority);
  await run("certutil", ["-N", "-d", `sql:${database}`, "--empty-password"]);
  await run("certutil", ["-A", "-d", `sql:${database}`, "-n", "atoll", "-t", "C,,", "-i", file]);
}

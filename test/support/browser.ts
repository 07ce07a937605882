/**
 * A real Chromium, installed when the machine has none, that trusts an authority as its user would have it do: by the NSS database of its home.
 * It reaches one port of the machine's loopback and nothing else. A browser gives up what it is loading whenever an interface of its
 * network comes or goes, as those of other servers under test do, and speaks to its maker.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
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

/** @param authority in PEM. @param port of this machine's loopback, the only one that is reached */
export async function openBrowser(authority: string, port: number): Promise<OpenBrowser> {
  await ensureInstalled();
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "atoll-browser-"));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  await trust(home, authority);
  // Sandboxes of its own need a user who is not root.
  const args = ["--no-sandbox"];
  const env = { PATH: process.env.PATH ?? "", HOME: home };
  const executablePath = join(home, "chromium");
  await writeFile(executablePath, script(await relay(stack, home, port), port), { mode: 0o755 });
  const browser = await chromium.launch({ executablePath, args, env, timeout: actLimitMs });
  stack.defer(() => browser.close());
  const held = stack.move();
  return { browser, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** The way out of the browser's network namespace. @returns the path of its socket */
async function relay(stack: AsyncDisposableStack, directory: string, port: number): Promise<string> {
  const path = join(directory, "relay.sock");
  const server = createServer({ allowHalfOpen: true }, (browser) => {
    const target = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    browser.on("error", () => target.destroy()).pipe(target);
    target.on("error", () => browser.destroy()).pipe(browser);
  });
  server.listen(path);
  stack.defer(() => void server.close());
  await once(server, "listening");
  return path;
}

function script(socket: string, port: number): string {
  const program = join(import.meta.dirname, "browser-relay.ts");
  const argv = ["unshare", "--net", "--", process.execPath, program, socket, String(port), wanted.chromium];
  return `#!/bin/sh\nexec ${argv.map((argument) => `'${argument}'`).join(" ")} "$@"\n`;
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

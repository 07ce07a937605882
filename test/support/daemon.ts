/** A server of a test's own, in a temporary state directory, that can be killed and started again. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client, type Sandbox } from "@atoll/sdk";
import { Cgroups } from "../../packages/server/src/cgroups/cgroups.ts";
import { checkout } from "./server.ts";

const run = promisify(execFile);
const main = join(checkout, "packages/server/src/main.ts");
const setup = join(checkout, "packages/server/src/setup/main.ts");
const usualLayers = "/var/lib/atoll/store/layers";
const nodeFlags = ["--disable-warning=ExperimentalWarning"];
const startLimitMs = 60_000;
const reconnectMs = 60_000;

export interface Leak {
  readonly kind: string;
  readonly what: string;
  readonly removed: boolean;
}

export class Daemon {
  readonly directory: string;
  readonly client: Client;
  readonly #url: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  constructor(directory: string, port: number, env: Readonly<Record<string, string>>) {
    this.directory = directory;
    this.#url = `http://127.0.0.1:${port}`;
    const { ATOLL_URL: _url, ATOLL_TOKEN: _token, ...rest } = process.env;
    const own = { ATOLL_STATE_DIR: directory, ATOLL_LISTEN: `127.0.0.1:${port}`, ATOLL_LOG_LEVEL: "warn" };
    this.#env = { ...rest, ...own, ...env };
    // The token appears with the first start; the client asks for it when it is first used.
    const authorized: typeof fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${this.token}`);
      return fetch(input, { ...init, headers });
    };
    this.client = new Client({ baseUrl: this.#url, retryForMs: reconnectMs, fetch: authorized });
  }

  get url(): string {
    return this.#url;
  }

  get token(): string {
    return readFileSync(join(this.directory, "token"), "utf8").trim();
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get launcherPid(): number {
    return Number(readFileSync(join(this.directory, "run/launcher.pid"), "utf8"));
  }

  /** Where to look for what it makes; its cgroups, links and tables are named after the directory. */
  get watched() {
    const instance = instanceOf(this.directory);
    return { directory: this.directory, instance, launcherPid: this.launcherPid, daemonPid: this.pid };
  }

  get log(): string {
    return readFileSync(join(this.directory, "test.log"), "utf8");
  }

  /** Settles once it answers. */
  /** @returns how long that took, in milliseconds */
  async start(): Promise<number> {
    const began = performance.now();
    rmSync(join(this.directory, "server.json"), { force: true }); // one that was killed has left it behind
    const script = 'exec "$@" >>"$LOG" 2>&1';
    const argv = ["-c", script, "sh", process.execPath, ...nodeFlags, main];
    this.#child = spawn("sh", argv, { env: { ...this.#env, LOG: join(this.directory, "test.log") }, stdio: "ignore" });
    for (const deadline = Date.now() + startLimitMs; ; await sleep(20)) {
      if (await this.#answers()) return performance.now() - began;
      if (!this.isAlive || Date.now() > deadline) throw new Error(`the server did not start:\n${this.log}`);
    }
  }

  get isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #answers(): Promise<boolean> {
    if (!existsSync(join(this.directory, "server.json"))) return false;
    return fetch(`${this.#url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child?.kill(signal);
    await this.ended();
  }

  /** Settles once the process has ended, whoever ended it. */
  async ended(): Promise<void> {
    if (this.isAlive && this.#child) await once(this.#child, "exit");
  }

  async gc(): Promise<readonly Leak[]> {
    const { stdout } = await this.atoll("gc", "--json");
    return JSON.parse(stdout).found;
  }

  /** Runs a verb of the command against this server. */
  atoll(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const { ATOLL_LISTEN: _listen, ...env } = this.#env;
    return run(join(checkout, "atoll"), args, { env: { ...env, ATOLL_URL: this.#url, ATOLL_TOKEN: this.token } });
  }

  /** Terminates everything, ends daemon and launcher, and removes the directory. */
  async remove(): Promise<void> {
    try {
      if (!this.isAlive) await this.start();
      const { ATOLL_LISTEN: _listen, ...env } = this.#env;
      await run(join(checkout, "atoll"), ["stop"], { env });
    } finally {
      await this.kill();
      await removeState(this.directory);
    }
  }
}

/** Removes a state directory, and ends what a test that has failed may have left running for it. */
export async function removeState(directory: string): Promise<void> {
  for (const pid of processesIn(directory)) process.kill(pid, "SIGKILL");
  const cgroups = Cgroups.open(instanceOf(directory));
  // What runs in a sandbox does not have the directory on its command line.
  for (const key of await cgroups.list()) await cgroups.destroy(key, AbortSignal.timeout(startLimitMs));
  cgroups.close();
  await rm(directory, { recursive: true, force: true });
}

/** What a server calls its cgroups and links. */
function instanceOf(directory: string): string {
  return createHash("sha256").update(directory).digest("hex").slice(0, 8);
}

/** Processes that have the directory on their command line: launcher, runtimes, and what they run. */
export function processesIn(directory: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && commandLine(pid).includes(directory));
}

function commandLine(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`) && readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has ended
  }
}

/** A server that is set up and runs until the test is over. */
export async function daemon(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Daemon> {
  const made = await openDaemon(env);
  t.after(() => made.remove());
  return made;
}

/** The same for a whole file; the caller removes it. @param parent of its state directory */
export async function openDaemon(env: Readonly<Record<string, string>> = {}, parent = tmpdir()): Promise<Daemon> {
  const made = new Daemon(await stateDirectory(parent), await freePort(), env);
  try {
    await made.start();
    return made;
  } catch (error) {
    await removeState(made.directory);
    throw error;
  }
}

/** A directory that is set up as `atoll setup` does it, with base image and runtime taken from the runner's server. */
export async function stateDirectory(parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, "atoll-d-"));
  const layers = process.env.ATOLL_BASE_IMAGE_CACHE || usualLayers;
  const tools = join(dirname(dirname(layers)), "tools");
  await mkdir(join(directory, "tools"));
  // A link where that can be.
  const copy = 'cp -al "$1" "$2" || cp -a "$1" "$2"';
  if (existsSync(join(tools, "runsc")))
    await run("sh", ["-c", copy, "sh", join(tools, "runsc"), join(directory, "tools/runsc")]);
  const argv = [...nodeFlags, setup, "setup", "--state-dir", directory];
  try {
    await run(process.execPath, argv, { env: { ...process.env, ATOLL_BASE_IMAGE_CACHE: layers } });
  } catch (error) {
    await removeState(directory);
    throw error;
  }
  return directory;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

/** Sandboxes of both isolation levels by turns. */
export const levelOf = (index: number, gvisorEvery: number) => (index % gvisorEvery === 0 ? "gvisor" : "container");

/** Looks again and again; what is waited for happens on its own. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await isTrue()); await sleep(50))
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
}

/** How a sandbox ended, whatever that was. */
export async function endOf(sandbox: Sandbox) {
  const info = await sandbox.wait({ raiseOnTermination: false }).catch(async (error) => {
    if (error.result) return error.result;
    throw error;
  });
  return { kind: info.kind, exitCode: info.exitCode, signal: info.signal, message: info.message };
}

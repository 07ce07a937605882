/** A launcher of its own for a test, in a directory of its own. All of it is gone afterwards. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Launcher, type WatchedProcess } from "../../src/launcher/client.ts";

/** A limit for anything that a test waits for. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(30_000);
}

/** Waits until a condition holds that nothing announces. */
export async function until(condition: () => boolean): Promise<void> {
  const limit = soon();
  while (!condition()) {
    limit.throwIfAborted();
    await sleep(5);
  }
}

export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // ESRCH: it was reaped between the open and the read.
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return false;
    throw error;
  }
}

export class Host implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "atoll-launcher-test-"));
  readonly #binary: string;
  readonly #pids = new Set<number>();
  readonly #gateways = new Set<string>();
  #launcher: Launcher | undefined;

  private constructor(binary: string, environment: Readonly<Record<string, string>>) {
    this.#binary = join(this.directory, "launcher");
    const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    writeFileSync(this.#binary, `#!/bin/sh\nexec env ${assignments.join(" ")} ${binary} "$@"\n`);
    chmodSync(this.#binary, 0o755);
  }

  static async start(binary: string, environment: Readonly<Record<string, string>> = {}): Promise<Host> {
    const host = new Host(binary, environment);
    try {
      await host.connect();
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  get socketPath(): string {
    return join(this.directory, "launcher.sock");
  }

  get pidfile(): string {
    return join(this.directory, "launcher.pid");
  }

  get logFile(): string {
    return join(this.directory, "launcher.log");
  }

  get launcher(): Launcher {
    if (this.#launcher === undefined) throw new Error("cannot use a launcher that was not connected to");
    return this.#launcher;
  }

  /** Connects as a new daemon would, starting a launcher when none answers. */
  async connect(): Promise<Launcher> {
    const { socketPath, pidfile, logFile } = this;
    this.#launcher = await Launcher.ensure({ socketPath, pidfile, logFile, binary: this.#binary, signal: soon() });
    this.#pids.add(this.#launcher.pid);
    this.#gateways.add(readlinkSync(`/proc/${this.#launcher.pid}/ns/net`));
    return this.#launcher;
  }

  /** Has a process ended at the end of the test, if it still runs then. */
  keep(process: WatchedProcess): WatchedProcess {
    this.#pids.add(process.pid);
    return process;
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const launchers = new Set([this.#launcher?.pid]);
    this.#launcher?.close();
    for (const pid of this.#pids) end(pid, launchers.has(pid) ? "SIGTERM" : "SIGKILL");
    for (const pid of this.#pids) await until(() => !isRunning(pid));
    const left = processesIn(this.#gateways);
    for (const pid of left) end(pid, "SIGKILL");
    const log = this.log();
    rmSync(this.directory, { recursive: true, force: true });
    if (/Sanitizer|runtime error/.test(log)) throw new Error(`cannot accept what the sanitizer found:\n${log}`);
    if (left.length > 0) throw new Error(`cannot accept that processes ${left} were left behind`);
  }
}

/** Whatever was started below a launcher, and has no network of its own. */
function processesIn(networks: ReadonlySet<string>): number[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.filter((pid) => isRunning(pid) && networks.has(networkOf(pid)));
}

function networkOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return ""; // it has just ended
  }
}

function end(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

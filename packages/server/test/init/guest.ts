/** A real init for tests: PID 1 of its own pid and mount namespaces, with the files of this machine. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InitLink } from "../../src/init/link.ts";
import type { StartRequest } from "../../src/init/messages.ts";
import { Recorder } from "./recorder.ts";

const native = join(import.meta.dirname, "../../../../native");

export interface Build {
  readonly name: "plain" | "sanitized";
  readonly path: string;
}

/** The release build and the one that AddressSanitizer and UndefinedBehaviorSanitizer watch. */
export function builds(): Build[] {
  for (const SANITIZE of ["", "1"]) {
    const env = { ...process.env, PROGRAMS: "init", SANITIZE };
    execFileSync("sh", [join(native, "build.sh")], { stdio: "pipe", env });
  }
  return [
    { name: "plain", path: join(native, "build/init") },
    { name: "sanitized", path: join(native, "build/sanitize/init") },
  ];
}

export interface GuestOptions {
  /** Contents of /etc/passwd and /etc/group in the guest; the machine's own when absent. */
  readonly passwd?: string;
  readonly group?: string;
  /** Commands of the shell that becomes init. */
  readonly before?: string;
}

/** A limit for anything that a test waits for. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(30_000);
}

export class Guest implements AsyncDisposable {
  readonly directory: string;
  readonly record = new Recorder();
  /** pid of init as this process sees it. */
  pid = 0;
  #link: InitLink | undefined;
  readonly #unshare: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #end = new AbortController();
  #stderr = "";

  private constructor(build: Build, options: GuestOptions) {
    this.directory = mkdtempSync(join(tmpdir(), "atoll-init-test-"));
    this.#unshare = spawn(
      "unshare",
      ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "sh", "-c", this.#script(options), build.path],
      { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH, ASAN_OPTIONS: "detect_leaks=1" } },
    );
    this.#ended = once(this.#unshare, "exit");
    this.#ended.finally(() => this.#end.abort(new Error(`init has ended: ${this.#stderr}`)));
    this.#unshare.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
  }

  static async start(build: Build, options: GuestOptions = {}): Promise<Guest> {
    const guest = new Guest(build, options);
    await guest.listen();
    await guest.link.whenConnected(soon());
    guest.pid = childOf(guest.#unshare.pid ?? 0);
    return guest;
  }

  /** Aborted when init ends. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get link(): InitLink {
    assert(this.#link, "the guest has no link now");
    return this.#link;
  }

  /** Listens as a daemon does that was just started. */
  async listen(): Promise<void> {
    this.#link = await InitLink.listen(join(this.directory, "control.sock"), this.record);
    this.record.link = this.#link;
  }

  /** As a daemon that stops: nothing is said to init, whose connection breaks. */
  async stopListening(): Promise<void> {
    await this.link.close();
    this.#link = undefined;
    this.record.link = undefined;
  }

  start(number: number, argv: readonly string[], more: Partial<StartRequest> = {}): void {
    this.link.start({
      process: number,
      argv,
      env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      user: "",
      cwd: "/",
      stdin: false,
      openFilesLimit: 0,
      ...more,
    });
  }

  /** Starts a program and waits for its exit and the end of its output. */
  async run(number: number, argv: readonly string[], more: Partial<StartRequest> = {}): Promise<Result> {
    this.start(number, argv, more);
    return this.result(number);
  }

  async result(number: number): Promise<Result> {
    await this.record.until(() => this.record.isOver(number), soon());
    const seen = this.record.of(number);
    return { status: seen.status ?? -1, stdout: seen.text(1), stderr: seen.text(2) };
  }

  /** Descriptors that init holds. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Ends init as a test may: SIGTERM lets it return from main, where LeakSanitizer looks. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#unshare.exitCode === null) this.#terminate();
      const [code, signal] = await this.#ended;
      assert.deepEqual({ code, signal, stderr: this.#stderr }, { code: 0, signal: null, stderr: "" });
    } finally {
      await this.#link?.close();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }

  #terminate(): void {
    process.kill(this.pid || childOf(this.#unshare.pid ?? 0), "SIGTERM");
    const limit = setTimeout(() => this.#unshare.kill("SIGKILL"), 20_000);
    this.#ended.finally(() => clearTimeout(limit));
  }

  #script(options: GuestOptions): string {
    const lines = ["set -e"];
    for (const name of ["passwd", "group"] as const) {
      const text = options[name];
      if (text === undefined) continue;
      writeFileSync(join(this.directory, name), text);
      lines.push(`mount --bind '${join(this.directory, name)}' /etc/${name}`);
    }
    lines.push(`CONTROL=${this.directory}`, "export CONTROL");
    return [...lines, options.before ?? ":", `exec "$0" --control '${this.directory}'`].join("\n");
  }
}

export interface Result {
  /** As waitpid(2) gives it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** waitpid(2) status of an exit with the code. */
export function exitCode(code: number): number {
  return code << 8;
}

function childOf(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
  assert(child > 0, "unshare has no child");
  return child;
}

/** A process in a sandbox: its streams, its end. */
import type { Client } from "./client.ts";
import { AtollError } from "./errors.ts";
import type { Process as ProcessInfo } from "./generated/api.ts";
import { type OutputLogEntry, type OutputLogOptions, readLog } from "./log.ts";
import { OutputReader } from "./output.ts";
import { type FinishedResult, processResult, type WaitOptions, waitUntil } from "./result.ts";
import { StdinWriter } from "./stdin.ts";
import { openTerminal, type Terminal, type TerminalOptions } from "./terminal.ts";

export type { ProcessInfo };

interface Options {
  readonly signal?: AbortSignal | undefined;
}

export class Process {
  /** `main` for the sandbox's own command. */
  readonly id: string;
  readonly sandboxId: string;
  readonly stdin: StdinWriter;
  readonly stdout: OutputReader;
  /** Empty for a process with a terminal: a terminal has one output. */
  readonly stderr: OutputReader;
  readonly #client: Client;
  #returncode: number | null = null;

  /**
   * Made by `Sandbox.exec` and `Sandbox.process`.
   * @param stdinOffset Bytes written to its stdin so far; undefined if not known.
   */
  constructor(client: Client, sandboxId: string, id: string, stdinOffset?: number) {
    this.#client = client;
    this.sandboxId = sandboxId;
    this.id = id;
    const address = { client, sandboxId, processId: id };
    this.stdin = new StdinWriter(client, sandboxId, id, stdinOffset);
    this.stdout = new OutputReader({ ...address, stream: "stdout" });
    this.stderr = new OutputReader({ ...address, stream: "stderr" });
  }

  /** The exit code, once `wait` or `poll` has seen it; null before. */
  get returncode(): number | null {
    return this.#returncode;
  }

  /** What the server knows of it. */
  async info(options: Options = {}): Promise<ProcessInfo> {
    return this.#seen(await this.#client.request("getProcess", { params: this.#params, ...options }));
  }

  /**
   * Waits until it has ended; an exit code other than 0 is returned like any other.
   * @throws {ExecTimeoutError} when it reached the time limit given to exec
   * @throws {SandboxTerminatedError} when its sandbox was terminated
   */
  async wait(options: WaitOptions = {}): Promise<FinishedResult> {
    const { params, signal } = { params: this.#params, signal: options.signal };
    const ended = await waitUntil(
      (timeoutMs) => this.#client.request("waitProcess", { params, query: { timeoutMs }, signal }),
      (process) => process.result !== undefined,
      options,
    );
    const { result } = this.#seen(ended);
    return processResult(this.sandboxId, this.id, result as NonNullable<typeof result>, options);
  }

  /** Its exit code, or null while it runs. */
  async poll(options: Options = {}): Promise<number | null> {
    await this.info(options);
    return this.#returncode;
  }

  /** What it has written, by lines, with the time at which each came; the newest ones, oldest first. */
  log(options: OutputLogOptions = {}): Promise<OutputLogEntry[]> {
    return readLog(this.#client, this.#params, options);
  }

  /** Sends a signal to the process and its group, SIGKILL when absent. Does nothing to one that has ended. */
  async kill(signalName = "SIGKILL", options: Options = {}): Promise<void> {
    try {
      await this.#client.request("signalProcess", { params: this.#params, body: { signal: signalName }, ...options });
    } catch (error) {
      if (!(error instanceof AtollError && error.code === "process_finished")) throw error;
    }
  }

  /** Changes the size of its terminal. */
  async resize(rows: number, cols: number, options: Options = {}): Promise<void> {
    await this.#client.request("resizePty", { params: this.#params, body: { rows, cols }, ...options });
  }

  /** Attaches to its terminal: raw bytes both ways over one connection, for a person at a keyboard. */
  terminal(options: TerminalOptions = {}): Promise<Terminal> {
    return openTerminal(this.#client, this.#params, options);
  }

  toJSON(): { id: string; sandboxId: string } {
    return { id: this.id, sandboxId: this.sandboxId };
  }

  get #params() {
    return { sandboxId: this.sandboxId, processId: this.id };
  }

  #seen(info: ProcessInfo): ProcessInfo {
    if (info.result) this.#returncode = info.result.exitCode;
    return info;
  }
}

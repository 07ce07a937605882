import { join } from "node:path";
import type { Exec, Process as ProcessView } from "@atoll/protocol";
import { within } from "../change.ts";
import { AtollError } from "../error.ts";
import { OutputBudget } from "../processes/output-budget.ts";
import { OutputLog } from "../processes/output-log.ts";
import { OutputTimes, timesPath } from "../processes/output-times.ts";
import { outputPath, type Process, type StreamName } from "../processes/process.ts";
import { settledView } from "../processes/processes.ts";
import { signalNumber } from "../processes/result.ts";
import { checkSize, type StartSpec } from "../processes/start-spec.ts";
import type { ProcessRow } from "../store/rows.ts";
import type { Repeatable } from "./answers.ts";
import type { Context } from "./context.ts";
import { termOf } from "./defaults.ts";
import type { LiveSandbox } from "./live-sandbox.ts";
import { describe, reach } from "./reach.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What callers do with the processes of a sandbox, named by the ids of both. */
export class SandboxProcesses {
  readonly #sandboxes: Sandboxes;
  readonly #context: Context;

  constructor(sandboxes: Sandboxes, context: Context) {
    this.#sandboxes = sandboxes;
    this.#context = context;
  }

  /**
   * Starts a process and settles once it runs or could not be started, which its result then says.
   * @param chosenId by the caller: a process that has it already is the one that is meant
   * @throws AtollError not_found, sandbox_finished, capacity, payload_too_large, unavailable
   */
  async exec(
    sandboxId: string,
    request: Exec,
    repeatable: Repeatable | undefined,
    signal: AbortSignal,
    chosenId?: string,
  ): Promise<ProcessView> {
    const { stopping } = this.#context;
    const limit = repeatable ? stopping : AbortSignal.any([signal, stopping]);
    const id = await this.#sandboxes.answers.once(repeatable, async (answer) => {
      const live = await reach(this.#sandboxes, sandboxId, "start a process", limit);
      if (chosenId !== undefined && this.#exists(sandboxId, chosenId)) return chosenId;
      const process = live.processes.start(
        this.#spec(live, request),
        (made) => {
          if (answer) this.#context.store.answers.insert(answer(made));
        },
        chosenId,
      );
      const began = performance.now();
      await process.changed.until(() => process.isStarted || process.isFinished, limit);
      this.#context.observer.executed(live.row.spec.isolation, (performance.now() - began) / 1000);
      return process.row.id;
    });
    return this.get(sandboxId, id);
  }

  list(sandboxId: string): ProcessView[] {
    const live = this.#sandboxes.live(sandboxId);
    return live ? live.processes.list() : this.#context.store.processes.of(sandboxId).map(settledView);
  }

  get(sandboxId: string, id: string): ProcessView {
    return this.#live(sandboxId, id)?.view() ?? settledView(this.#settledRow(sandboxId, id));
  }

  /** Waits until it is finished, for `timeoutMs` at most, and answers with its state either way. */
  async wait(sandboxId: string, id: string, timeoutMs: number, signal: AbortSignal): Promise<ProcessView> {
    const process = this.#live(sandboxId, id);
    if (process) await within(timeoutMs, process.changed, () => process.isFinished, signal);
    return this.get(sandboxId, id);
  }

  /** The log of a stream, to be read from any offset. */
  output(sandboxId: string, id: string, stream: StreamName): OutputLog {
    const process = this.#live(sandboxId, id);
    if (process) return process.output(stream);
    const row = this.#settledRow(sandboxId, id);
    const bytes = (stream === "stdout" ? row.output?.stdoutBytes : row.output?.stderrBytes) ?? 0;
    return endedLog(outputPath(join(this.#context.state.output, sandboxId), row.number, stream), bytes, row.createdAt);
  }

  /** @see Stdin.write */
  async writeStdin(
    sandboxId: string,
    id: string,
    offset: number | undefined,
    source: AsyncIterable<Buffer>,
    eof: boolean,
    signal: AbortSignal,
  ): Promise<number> {
    const process = this.#open(sandboxId, id);
    if (!process.row.keepsStdin && !process.row.pty) {
      throw new AtollError("process_finished", `cannot write to stdin of ${id}: it was started without one`);
    }
    return await process.stdin.write(offset, source, eof, AbortSignal.any([signal, this.#context.stopping]));
  }

  /** Bytes of stdin taken so far, and whether more are. */
  stdinPosition(sandboxId: string, id: string): { readonly offset: number; readonly isClosed: boolean } {
    const process = this.#live(sandboxId, id);
    if (process) return { offset: process.stdin.offset, isClosed: process.stdin.isClosed };
    this.#settledRow(sandboxId, id);
    return { offset: 0, isClosed: true };
  }

  signal(sandboxId: string, id: string, name: string): ProcessView {
    const signo = signalNumber(name);
    if (signo === undefined) throw new AtollError("invalid_argument", `cannot send ${name}: there is no such signal`);
    const process = this.#open(sandboxId, id);
    this.#sandboxes.live(sandboxId)?.processes.signal(process, signo);
    return process.view();
  }

  resize(sandboxId: string, id: string, rows: number, cols: number): ProcessView {
    const process = this.#open(sandboxId, id);
    if (!process.row.pty) throw new AtollError("invalid_argument", `cannot resize ${id}: it has no terminal`);
    this.#sandboxes.live(sandboxId)?.processes.resize(process, rows, cols);
    return process.view();
  }

  #spec(live: LiveSandbox, request: Exec): StartSpec {
    const secrets = this.#context.secrets.environment(request.secrets ?? []);
    const spec = {
      ...live.mainSpec(),
      argv: request.argv,
      environment: { ...live.environment, ...termOf(request.pty), ...secrets, ...request.env },
      pty: request.pty,
      keepsStdin: request.stdin ?? true,
      timeoutMs: request.timeoutMs,
      ...(request.workdir !== undefined && { workdir: request.workdir }),
      ...(request.user !== undefined && { user: request.user }),
    };
    checkSize(spec);
    return spec;
  }

  #exists(sandboxId: string, id: string): boolean {
    return (this.#live(sandboxId, id) ?? this.#context.store.processes.get(sandboxId, id)) !== undefined;
  }

  #live(sandboxId: string, id: string): Process | undefined {
    return this.#sandboxes.live(sandboxId)?.processes.find(id);
  }

  #open(sandboxId: string, id: string): Process {
    const process = this.#live(sandboxId, id);
    if (process && !process.isFinished && process.row.argv.length > 0) return process;
    const result = process?.row.result ?? this.#settledRow(sandboxId, id).result;
    const how = result ? `it is finished (${describe(result)})` : "the sandbox has no command";
    throw new AtollError("process_finished", `cannot reach the process ${id}: ${how}`);
  }

  #settledRow(sandboxId: string, id: string): ProcessRow {
    const row = this.#context.store.processes.get(sandboxId, id);
    if (row) return row;
    throw new AtollError("not_found", `cannot find the process ${id} of the sandbox ${sandboxId}`);
  }
}

function endedLog(path: string, bytes: number, startedAt: number): OutputLog {
  const log = new OutputLog(path, {
    keptBytes: bytes,
    limitBytes: bytes,
    budget: new OutputBudget(Number.POSITIVE_INFINITY),
    times: new OutputTimes(timesPath(path), startedAt),
    onKept: () => undefined,
    onWriteError: () => undefined,
  });
  log.end(bytes);
  return log;
}

import type { Exec, Result } from "@atoll/protocol";
import { within } from "../../change.ts";
import type { StreamName } from "../../processes/process.ts";
import { reach } from "../../sandboxes/reach.ts";
import type { Core } from "../core.ts";
import { program } from "../filesystem/command.ts";
import { FileCall } from "../filesystem/file-call.ts";
import { FileCalls } from "../filesystem/file-calls.ts";

interface Ended {
  /** Undefined while it runs. */
  readonly result?: Result | undefined;
}

/** What the router runs: processes of the sandbox, and operations on its files that clients start as if they were processes. */
export class Execs {
  readonly #core: Core;
  readonly #calls = new FileCalls();

  constructor(core: Core) {
    this.#core = core;
  }

  async start(sandboxId: string, id: string, request: Exec, signal: AbortSignal): Promise<void> {
    const { processes, sandboxes, files, stopping } = this.#core;
    if (request.argv[0] !== program) {
      await processes.exec(sandboxId, request, undefined, signal, id);
      return;
    }
    await reach(sandboxes, sandboxId, "start an operation on files", AbortSignal.any([signal, stopping]));
    const { argv, timeoutMs } = request;
    this.#calls.begin(sandboxId, id, () => new FileCall({ files, sandboxId, argv, timeoutMs, signal: stopping }));
  }

  read(sandboxId: string, id: string, stream: StreamName, offset: number, signal: AbortSignal): AsyncIterable<Buffer> {
    const call = this.#calls.find(sandboxId, id);
    if (!call) return this.#core.processes.output(sandboxId, id, stream).read(offset, true, signal);
    return stream === "stderr" ? call.stderr.read(offset, true, signal) : call.stdout(offset, signal);
  }

  get(sandboxId: string, id: string): Ended {
    return this.#calls.find(sandboxId, id) ?? this.#core.processes.get(sandboxId, id);
  }

  /** Waits until it has ended, for `timeoutMs` at most. */
  async wait(sandboxId: string, id: string, timeoutMs: number, signal: AbortSignal): Promise<Ended> {
    const call = this.#calls.find(sandboxId, id);
    if (!call) return await this.#core.processes.wait(sandboxId, id, timeoutMs, signal);
    const limit = AbortSignal.any([signal, this.#core.stopping]);
    await within(timeoutMs, call.changed, () => call.result !== undefined, limit);
    return call;
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
    const call = this.#calls.find(sandboxId, id);
    if (!call) return await this.#core.processes.writeStdin(sandboxId, id, offset, source, eof, signal);
    return await call.stdin.write(offset, source, eof, AbortSignal.any([signal, this.#core.stopping]));
  }

  stdinPosition(sandboxId: string, id: string): { readonly offset: number; readonly isClosed: boolean } {
    const call = this.#calls.find(sandboxId, id);
    if (!call) return this.#core.processes.stdinPosition(sandboxId, id);
    return { offset: call.stdin.offset, isClosed: call.stdin.isClosed };
  }
}

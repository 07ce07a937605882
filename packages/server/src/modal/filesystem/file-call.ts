import type { Result } from "@atoll/protocol";
import { Change } from "../../change.ts";
import { AtollError } from "../../error.ts";
import type { Files, FileTarget } from "../../files/files.ts";
import { lost, terminated, timedOut } from "../../processes/result.ts";
import { CallOutput, type ReadableOutput } from "./call-output.ts";
import { CallStdin } from "./call-stdin.ts";
import { type Command, type CommandName, commandOf, type WatchCommand } from "./command.ts";
import { failureText } from "./failure.ts";
import { fileContent } from "./file-content.ts";
import { eventInfo, fileInfo } from "./file-info.ts";
import { ownersOf } from "./owners.ts";

const directoryMode = 0o755;
/** After which a writer that says nothing is taken for gone. */
const idleWriterMs = 600_000;
/** Of one list, held until the client takes it. */
const mostListBytes = 32 * 1024 * 1024;
const longestTimerMs = 2 ** 31 - 1;

export interface FileCallOptions {
  readonly files: Files;
  readonly sandboxId: string;
  readonly argv: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

/** One operation on files that looks like a process: it has stdin, output and an exit code, and no program in it. */
export class FileCall {
  readonly changed = new Change();
  readonly stderr = new CallOutput();
  readonly #input = new CallStdin();
  readonly #options: FileCallOptions;
  readonly #deadline: AbortSignal;
  readonly #signal: AbortSignal;
  readonly #over = new AbortController();
  #stdout: (ReadableOutput & { readonly size: number }) | undefined;
  #result: Result | undefined;

  /** It begins at once. */
  constructor(options: FileCallOptions) {
    this.#options = options;
    this.#deadline =
      options.timeoutMs === undefined ? new AbortController().signal : AbortSignal.timeout(options.timeoutMs);
    this.#signal = AbortSignal.any([options.signal, this.#deadline]);
    void this.#run();
  }

  get result(): Result | undefined {
    return this.#result;
  }

  get stdin() {
    return this.#input.stdin;
  }

  /** Bytes held of its output. */
  get size(): number {
    return (this.#stdout?.size ?? 0) + this.stderr.size;
  }

  async *stdout(offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    await this.changed.until(() => this.#stdout !== undefined || this.#result !== undefined, signal);
    if (this.#stdout) yield* this.#stdout.read(offset, true, signal);
  }

  async #run(): Promise<void> {
    let name: CommandName | undefined;
    try {
      const command = commandOf(this.#options.argv);
      name = command.name;
      const target = { sandboxId: this.#options.sandboxId, path: command.path };
      this.#stdout = (await this.#perform(command, target)) ?? ended("");
      this.#end({ kind: "exited", exitCode: 0 });
    } catch (error) {
      this.#end(this.#failed(error, name));
    }
  }

  async #perform(command: Command, target: FileTarget): Promise<(ReadableOutput & { size: number }) | undefined> {
    const { files } = this.#options;
    const signal = this.#signal;
    switch (command.name) {
      case "ReadFile":
        return await fileContent(files, target, signal);
      case "WriteFile": {
        const how = { how: "replace", offset: 0, parents: true } as const;
        const body = this.#input.bytes(idleWriterMs, AbortSignal.any([signal, this.#over.signal]));
        await files.write(target, how, body, signal);
        return undefined;
      }
      case "ListFiles":
        return ended(`[${(await this.#list(target)).join(",")}]`);
      case "Stat": {
        const [entry, owners] = await Promise.all([files.stat(target, false, signal), this.#owners()]);
        return ended(JSON.stringify(fileInfo(entry, owners)));
      }
      case "MakeDirectory":
        await files.makeDirectory(target, directoryMode, command.parents, signal);
        return undefined;
      case "Remove":
        await files.remove(target, command.recursive, signal);
        return undefined;
      case "Watch":
        return await this.#watch(target, command);
    }
  }

  async #list(target: FileTarget): Promise<string[]> {
    const owners = await this.#owners();
    const lines: string[] = [];
    let bytes = 0;
    for await (const entries of this.#options.files.list(target, false, this.#signal)) {
      for (const entry of entries) {
        const line = JSON.stringify(fileInfo(entry, owners));
        bytes += line.length;
        if (bytes > mostListBytes) {
          const why = `its list would have more than ${mostListBytes} bytes`;
          throw new AtollError("capacity", `cannot list ${target.path}: ${why}`);
        }
        lines.push(line);
      }
    }
    return lines;
  }

  #owners() {
    return ownersOf(this.#options.files, this.#options.sandboxId, this.#signal);
  }

  /** Ends well with its time, and when the client closes stdin. */
  async #watch(target: FileTarget, { recursive, filter, timeout_secs }: WatchCommand): Promise<CallOutput> {
    const output = new CallOutput();
    this.#stdout = output;
    this.changed.announce();
    const enough = new AbortController();
    const stop = () => enough.abort();
    const timer = timeout_secs === null ? undefined : setTimeout(stop, Math.min(timeout_secs * 1000, longestTimerMs));
    const signal = AbortSignal.any([this.#signal, enough.signal]);
    this.#input.ended(signal).then(stop, () => undefined);
    try {
      for await (const events of this.#options.files.watch(target, recursive, undefined, signal)) {
        const wanted = events.map(eventInfo).filter(({ event_type }) => filter?.includes(event_type) ?? true);
        const lines = wanted.map((event) => `${JSON.stringify(event)}\n`).join("");
        if (lines !== "") await output.flow(Buffer.from(lines), signal);
      }
    } catch (error) {
      if (!enough.signal.aborted || this.#signal.aborted || error !== enough.signal.reason) throw error;
    } finally {
      clearTimeout(timer);
      enough.abort();
      output.end();
    }
    return output;
  }

  #failed(error: unknown, name: CommandName | undefined): Result {
    if (this.#deadline.aborted) return timedOut("the time limit of the operation is over");
    if (this.#signal.aborted) return terminated("the server is stopping");
    if (!(error instanceof AtollError)) return lost(`the operation failed: ${String(error)}`);
    if (error.code === "sandbox_finished") return terminated("the sandbox ended");
    this.stderr.append(Buffer.from(failureText(error, name)));
    return { kind: "exited", exitCode: 1 };
  }

  /** The result comes before stdin closes: a writer that is refused then asks for it. */
  #end(result: Result): void {
    this.#result = result;
    this.stderr.end();
    this.stdin.close();
    this.#over.abort();
    this.changed.announce();
  }
}

function ended(text: string): CallOutput {
  const output = new CallOutput();
  output.append(Buffer.from(text));
  output.end();
  return output;
}

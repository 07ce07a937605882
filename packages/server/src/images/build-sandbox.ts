/** The sandbox that a build step runs in. */
import type { Isolation, Result } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { copyWritten } from "../sandboxes/copy-written.ts";
import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Catalogue } from "./catalogue.ts";
import { accessDirectory } from "./host-access.ts";
import { lines } from "./lines.ts";

/** Sandboxes of build steps belong to this app. */
export const buildApp = "atoll-builds";
const stepLimitMs = 3_600_000;
const waitMs = 60_000;
const lastOutputMs = 1000;

export interface BuildCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
}

export type OnLine = (stream: "stdout" | "stderr", line: string) => void;

export interface BuildSandboxParts {
  readonly catalogue: Catalogue;
  readonly sandboxes: Sandboxes;
  readonly processes: SandboxProcesses;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
}

export class BuildSandbox {
  readonly #id: string;
  readonly #parts: BuildSandboxParts;

  private constructor(id: string, parts: BuildSandboxParts) {
    this.#id = id;
    this.#parts = parts;
  }

  /** Runs `use` with a sandbox on these layers, which is gone afterwards. */
  static async with<T>(
    parts: BuildSandboxParts,
    layers: readonly string[],
    isolation: Isolation | undefined,
    use: (sandbox: BuildSandbox) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { catalogue, sandboxes } = parts;
    const { id } = await catalogue.withRoot(layers, (image) =>
      sandboxes.create(
        { app: buildApp, image, timeoutMs: 2 * stepLimitMs, ...(isolation && { isolation }) },
        undefined,
        signal,
      ),
    );
    try {
      return await use(new BuildSandbox(id, parts));
    } finally {
      await end(parts, id);
    }
  }

  /** Runs a command to its end. */
  async run(command: BuildCommand, onLine: OnLine, signal: AbortSignal): Promise<Result> {
    const { processes } = this.#parts;
    const { argv, env, secrets, workdir, user } = command;
    const request = {
      argv: [...argv],
      env: { ...env },
      secrets: [...secrets],
      ...(workdir !== undefined && { workdir }),
      ...(user !== undefined && { user }),
      stdin: false,
      timeoutMs: stepLimitMs,
    };
    const { id } = await processes.exec(this.#id, request, undefined, signal);
    const ended = new AbortController();
    const limit = AbortSignal.any([signal, ended.signal]);
    const read = async (stream: "stdout" | "stderr") => {
      const log = processes.output(this.#id, id, stream);
      for await (const line of lines(log.read(0, true, limit))) onLine(stream, line);
    };
    // What the command left running may keep its output open for ever.
    let timer: NodeJS.Timeout | undefined;
    const result = this.#result(id, signal).finally(() => {
      timer = setTimeout(() => ended.abort(), lastOutputMs);
    });
    const reading = Promise.all([read("stdout"), read("stderr")]).catch((error: unknown) => {
      if (!ended.signal.aborted) throw error;
    });
    try {
      return (await Promise.all([result, reading]))[0];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes a file as root. @returns whether the image has what that needs */
  async write(path: string, content: string, signal: AbortSignal): Promise<boolean> {
    const { processes } = this.#parts;
    const script = `umask 022 && mkdir -p ${accessDirectory} && cat > "$0"`;
    const request = { argv: ["/bin/sh", "-c", script, path], user: "0", workdir: "/" };
    const { id, result } = await processes.exec(this.#id, request, undefined, signal);
    if (result) return false;
    await processes.writeStdin(this.#id, id, 0, oneBuffer(content), true, signal);
    return (await this.#result(id, signal)).exitCode === 0;
  }

  /** Copies what was written into a directory, as a layer. */
  async copyWritten(directory: string, signal: AbortSignal): Promise<void> {
    const live = this.#parts.sandboxes.live(this.#id);
    if (!live) throw new AtollError("sandbox_finished", "cannot keep what the step wrote: its sandbox has ended");
    await copyWritten(live, directory, signal);
  }

  async #result(id: string, signal: AbortSignal): Promise<Result> {
    for (;;) {
      const { result } = await this.#parts.processes.wait(this.#id, id, waitMs, signal);
      if (result) return result;
    }
  }
}

/** A server that stops ends no sandbox any more: the next one ends those of builds, which nobody goes on with. */
async function end({ sandboxes, stopping }: BuildSandboxParts, id: string): Promise<void> {
  try {
    await sandboxes.terminate(id, AbortSignal.any([stopping, AbortSignal.timeout(waitMs)]));
  } catch (error) {
    if (!stopping.aborted) throw error;
  }
}

async function* oneBuffer(content: string): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(content);
  // stdin takes a window's worth at a time.
  for (let at = 0; at < bytes.length; at += 32_768) yield bytes.subarray(at, at + 32_768);
}

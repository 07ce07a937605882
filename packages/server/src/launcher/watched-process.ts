import type { ProcessId } from "./frames.ts";

export interface ProcessEnd {
  /** As waitpid(2) gives it; -1 when another process reaped it first. */
  readonly status: number;
}

interface Commands {
  kill(id: ProcessId, signal: number, abort?: AbortSignal): Promise<void>;
  forget(id: ProcessId): void;
}

/** A process below the launcher whose end is reported, also to the next daemon until it is forgotten. */
export class WatchedProcess implements ProcessId {
  readonly pid: number;
  readonly startTime: number;
  /**
   * Resolves when the process has ended. Rejects when the launcher is lost, and never settles once the daemon itself has closed the
   * connection: the process runs on.
   */
  readonly gone: Promise<ProcessEnd>;
  readonly #commands: Commands;
  readonly #end = Promise.withResolvers<ProcessEnd>();

  constructor({ pid, startTime }: ProcessId, commands: Commands) {
    this.pid = pid;
    this.startTime = startTime;
    this.gone = this.#end.promise;
    this.gone.catch(() => undefined); // a holder of this object need not wait for it
    this.#commands = commands;
  }

  /** @throws LauncherError ESRCH when it has ended */
  kill(signal: number, abort?: AbortSignal): Promise<void> {
    return this.#commands.kill(this, signal, abort);
  }

  /** The end was recorded, or is of no interest any more. */
  forget(): void {
    this.#commands.forget(this);
  }

  ended(end: ProcessEnd): void {
    this.#end.resolve(end);
  }

  lost(error: Error): void {
    this.#end.reject(error);
  }
}

export interface Exit {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** Number of the signal that ended it. */
  readonly signal: number | undefined;
}

/** A waitpid(2) status, taken apart; -1, which is an unknown one, has neither. */
export function exitOf(status: number): Exit {
  if (status === -1) return { exitCode: undefined, signal: undefined };
  const signal = status & 0x7f;
  return signal === 0 ? { exitCode: (status >> 8) & 0xff, signal: undefined } : { exitCode: undefined, signal };
}

import type { InitLink } from "../init/link.ts";

/** Far above the numbers of processes that callers started, and different in each daemon. */
const firstNumber = 0x8000_0000;

export interface QuietCommand {
  readonly argv: readonly string[];
  readonly environment: readonly string[];
  readonly user: string;
  readonly cwd: string;
  readonly openFilesLimit: number;
}

/** Processes that the platform runs for itself, such as readiness probes: not stored, not shown, their output dropped. */
export class QuietProcesses {
  readonly #link: () => InitLink | undefined;
  readonly #running = new Map<number, (status: number | undefined) => void>();
  #next = firstNumber + Math.floor(Math.random() * 0x4000_0000);

  constructor(link: () => InitLink | undefined) {
    this.#link = link;
  }

  /**
   * Runs a command and settles with its waitpid(2) status, or undefined when that will not be known.
   * An abort kills it.
   */
  run(command: QuietCommand, signal: AbortSignal): Promise<number | undefined> {
    const number = this.#next++;
    const { argv, environment, ...rest } = command;
    return new Promise((resolve) => {
      const kill = () => this.#link()?.signal(number, 9);
      this.#running.set(number, (status) => {
        signal.removeEventListener("abort", kill);
        resolve(status);
      });
      signal.addEventListener("abort", kill, { once: true });
      this.#link()?.start({ process: number, stdin: false, argv: [...argv], env: [...environment], ...rest });
    });
  }

  /** The connection ended, and init kills what the daemon does not name in the next one. */
  lose(): void {
    for (const number of [...this.#running.keys()]) this.exited(number, undefined);
  }

  output(number: number, stream: 1 | 2, offset: number): boolean {
    if (!this.#running.has(number)) return number >= firstNumber;
    this.#link()?.ack(number, stream, offset);
    return true;
  }

  exited(number: number, status: number | undefined): boolean {
    const done = this.#running.get(number);
    if (done === undefined) return number >= firstNumber;
    this.#running.delete(number);
    this.#link()?.release(number);
    done(status);
    return true;
  }
}

import { AtollError } from "../error.ts";
import type { InitLink } from "../init/link.ts";
import { Operation } from "./operation.ts";

/** Above the numbers of quiet processes, and different in each daemon. */
const firstNumber = 0xc800_0000;
const program = "atoll-files";
/** Each may hold 1 MiB here (the output window of native/PROTOCOL.md), and is a process there. */
const mostRunning = 64;

export interface OperationSpec {
  /** What is to be done, and to what. */
  readonly words: readonly string[];
  readonly user: string;
  /** Whether it reads stdin. */
  readonly takesBytes: boolean;
}

/** Operations on the files of one sandbox: processes of init's own program, neither stored nor shown. */
export class Operations {
  readonly #link: () => InitLink | undefined;
  readonly #onActivity: () => void;
  readonly #running = new Map<number, Operation>();
  #next = firstNumber + Math.floor(Math.random() * 0x1000_0000);

  constructor(link: () => InitLink | undefined, onActivity: () => void) {
    this.#link = link;
    this.#onActivity = onActivity;
  }

  get areRunning(): boolean {
    return this.#running.size > 0;
  }

  /**
   * Starts one; an abort ends it.
   * @throws AtollError capacity when too many are running
   */
  start({ words, user, takesBytes }: OperationSpec, signal: AbortSignal): Operation {
    signal.throwIfAborted();
    if (this.#running.size >= mostRunning) {
      throw new AtollError(
        "capacity",
        `cannot run more than ${mostRunning} operations on files at once in one sandbox`,
      );
    }
    const number = this.#next++;
    const operation = new Operation(number, this.#link);
    this.#running.set(number, operation);
    const kill = () => operation.kill();
    signal.addEventListener("abort", kill, { once: true });
    operation.over.finally(() => {
      signal.removeEventListener("abort", kill);
      this.#running.delete(number);
      this.#onActivity();
    });
    const start = { process: number, argv: [program, ...words], env: [], user, cwd: "/" };
    this.#link()?.start({ ...start, isBuiltIn: true, stdin: takesBytes, openFilesLimit: 0 });
    this.#onActivity();
    return operation;
  }

  find(number: number): Operation | undefined {
    return this.#running.get(number);
  }

  *resume() {
    for (const operation of this.#running.values()) yield operation.resume();
  }

  /** Nothing more will be heard of any. */
  close(error: AtollError): void {
    for (const operation of [...this.#running.values()]) operation.lose(error);
  }
}

/**
 * What init may say next: the daemon's account of one connection. init runs beside hostile code, so every message must be one that was
 * due. A stream of messages that goes on for ever therefore ends in a violation, and output that was not acknowledged is bounded.
 */
import { ProtocolError } from "./frames.ts";
import { type FromInit, outputWindow, type Resumption, type Stream } from "./messages.ts";
import { StdinWindow } from "./stdin-window.ts";

interface OutputAccount {
  received: number;
  acked: number;
  ended: boolean;
}

interface ProcessAccount {
  /** START until it was answered, for a connection that is lost before. */
  start: Buffer | undefined;
  /** STARTED, START_FAILED or UNKNOWN comes first, once for each connection. */
  state: "asked" | "started" | "over";
  /** Whether START was ever answered, to this daemon or an earlier one. */
  isAnswered: boolean;
  hasExited: boolean;
  isReleased: boolean;
  readonly outputs: { readonly 1: OutputAccount; readonly 2: OutputAccount };
  readonly stdin: StdinWindow;
}

type ProcessMessage = Extract<FromInit, { readonly process: number }>;

export class Ledger {
  readonly #processes = new Map<number, ProcessAccount>();

  /** A process is about to be started. @throws RangeError when its number was used */
  start(process: number, frame: Buffer): void {
    if (this.#processes.has(process)) throw new RangeError(`cannot start process ${process} twice`);
    this.#processes.set(process, newAccount(process, frame, 0, 0));
  }

  stdin(process: number): StdinWindow | undefined {
    return this.#processes.get(process)?.stdin;
  }

  /** @returns whether this tells init anything new. @throws RangeError for bytes that never arrived */
  ack(process: number, stream: Stream, offset: number): boolean {
    const output = this.#processes.get(process)?.outputs[stream];
    if (output === undefined || offset <= output.acked) return false;
    if (offset > output.received) throw new RangeError(`cannot acknowledge ${offset} of ${output.received} bytes`);
    output.acked = offset;
    return true;
  }

  /** Its messages are still checked, and no longer passed on, until forget(). @returns whether it was known */
  release(process: number): boolean {
    const account = this.#processes.get(process);
    if (account === undefined || account.isReleased) return false;
    account.isReleased = true;
    return true;
  }

  forget(process: number): void {
    this.#processes.delete(process);
  }

  /**
   * Begins a connection: init knows `greeted`, the core has `known`.
   * @returns the list for RESUME, and what must be sent behind it
   */
  resume(greeted: ReadonlySet<number>, known: Iterable<Resumption>): { list: Resumption[]; frames: Buffer[] } {
    const unanswered = this.#unansweredStarts();
    const list = [...known].filter((item) => !unanswered.has(item.process));
    for (const [process] of unanswered) if (greeted.has(process)) list.push({ process, stdout: 0, stderr: 0 });
    const lost = [...unanswered].filter(([process]) => !greeted.has(process));
    const previous = new Map(this.#processes);
    this.#processes.clear();
    for (const item of list) this.#processes.set(item.process, resumedAccount(item, previous.get(item.process)));
    for (const [process, account] of lost) this.#processes.set(process, account);
    const starts = lost.flatMap(([, account]) => account.start ?? []);
    const stdin = [...this.#processes.values()].flatMap((account) => account.stdin.resume());
    return { list, frames: [...starts, ...stdin] };
  }

  /** @returns whether the core shall see it. @throws ProtocolError when it was not due */
  receive(message: ProcessMessage): boolean {
    const account = this.#processes.get(message.process);
    if (account === undefined) throw new ProtocolError(`cannot accept ${message.kind} of an unknown process`);
    if (!isDue(account, message)) throw new ProtocolError(`cannot accept ${message.kind} out of order`);
    record(account, message);
    if (message.kind === "unknown" && !account.isReleased) this.#processes.delete(message.process);
    return !account.isReleased;
  }

  #unansweredStarts(): Map<number, ProcessAccount> {
    const unanswered = [...this.#processes].filter(
      ([, account]) =>
        account.state === "asked" && !account.isAnswered && account.start !== undefined && !account.isReleased,
    );
    return new Map(unanswered);
  }
}

function newAccount(process: number, start: Buffer | undefined, stdout: number, stderr: number): ProcessAccount {
  return {
    start,
    state: "asked",
    isAnswered: start === undefined,
    hasExited: false,
    isReleased: false,
    outputs: {
      1: { received: stdout, acked: stdout, ended: false },
      2: { received: stderr, acked: stderr, ended: false },
    },
    stdin: new StdinWindow(process, start !== undefined),
  };
}

/** Streams begin anew at what the core has; the window of stdin and an unanswered START live on. */
function resumedAccount(item: Resumption, previous: ProcessAccount | undefined): ProcessAccount {
  const account = newAccount(item.process, undefined, item.stdout, item.stderr);
  if (previous === undefined) return account;
  return { ...account, start: previous.start, isAnswered: previous.isAnswered, stdin: previous.stdin };
}

function isDue(account: ProcessAccount, message: ProcessMessage): boolean {
  if (account.state === "over") return false;
  switch (message.kind) {
    case "started":
    case "startFailed":
      return account.state === "asked";
    case "unknown":
      return account.state === "asked" && account.isAnswered;
    case "exited":
      return account.state === "started" && !account.hasExited;
    case "stdinAck":
      return account.state === "started";
    case "eof":
      return account.state === "started" && isOutputDue(account.outputs[message.stream], message.offset, 0);
    case "output":
      return (
        account.state === "started" &&
        isOutputDue(account.outputs[message.stream], message.offset, message.bytes.length)
      );
  }
}

function isOutputDue(output: OutputAccount, offset: number, count: number): boolean {
  return !output.ended && offset === output.received && offset + count - output.acked <= outputWindow;
}

function answered(account: ProcessAccount, state: "started" | "over"): void {
  account.state = state;
  account.isAnswered = true;
  account.start = undefined;
}

function record(account: ProcessAccount, message: ProcessMessage): void {
  switch (message.kind) {
    case "started":
      answered(account, "started");
      break;
    case "startFailed":
    case "unknown":
      answered(account, "over");
      break;
    case "exited":
      account.hasExited = true;
      break;
    case "stdinAck":
      account.stdin.acknowledge(message.offset, message.closed);
      break;
    case "eof":
      account.outputs[message.stream].ended = true;
      break;
    case "output":
      account.outputs[message.stream].received += message.bytes.length;
      break;
  }
}

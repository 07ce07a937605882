/** The daemon's side of the conversation with the gateway's thread, which is started again should it fail. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { messageOf } from "../error.ts";
import type { Asks, Figures, Plan, Told } from "./gateway-messages.ts";

export interface GatewayLinkOptions {
  readonly startThread: () => Worker;
  readonly onConnections: (sandboxId: string, count: number) => void;
  readonly onWarning: (warning: string, reason: string) => void;
}

interface Waiting {
  readonly resolve: (take: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Opened {
  readonly plan: Plan;
  /** The machine's ports, by the sandbox's. */
  readonly plain: Map<number, number>;
}

const againMs = 1000;

export class GatewayLink {
  readonly #options: GatewayLinkOptions;
  readonly #opened = new Map<string, Opened>();
  readonly #connected = new Set<string>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #closing = new AbortController();
  #worker: Worker;
  /** Settles once a thread that has failed has a successor. */
  #ready: Promise<void> = Promise.resolve();
  #asked = 0;
  #port = 0;

  constructor(options: GatewayLinkOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number): Promise<void> {
    this.#port = await this.#ask("listen", { port });
  }

  async open(plan: Plan): Promise<void> {
    this.#opened.set(plan.sandboxId, { plan, plain: this.#opened.get(plan.sandboxId)?.plain ?? new Map() });
    await this.#ask("open", plan);
  }

  /**
   * @param wanted the machine's port, or 0 for any
   * @returns the machine's port
   */
  async openPlain(sandboxId: string, port: number, wanted: number): Promise<number> {
    const opened = await this.#ask("openPlain", { sandboxId, port, wanted });
    this.#opened.get(sandboxId)?.plain.set(port, opened);
    return opened;
  }

  shut(sandboxId: string): void {
    this.#opened.delete(sandboxId);
    // A thread that has failed has shut everything.
    this.#ask("shut", { sandboxId }).catch(() => undefined);
  }

  figures(): Promise<Figures> {
    return this.#ask("measure", undefined);
  }

  async close(): Promise<void> {
    await this.#ask("close", undefined).catch(() => undefined);
    this.#closing.abort();
    await this.#worker.terminate();
  }

  #start(): Worker {
    const worker = this.#options.startThread();
    worker.on("message", (told: Told) => this.#hear(told));
    let failure: unknown;
    worker.on("error", (error) => {
      failure = error;
    });
    worker.once("exit", () => {
      if (!this.#closing.signal.aborted) this.#ready = this.#startAgain(failure);
    });
    return worker;
  }

  async #ask<Name extends keyof Asks>(name: Name, give: Asks[Name]["give"]): Promise<Asks[Name]["take"]> {
    await this.#ready;
    return this.#askNow(name, give);
  }

  #askNow<Name extends keyof Asks>(name: Name, give: Asks[Name]["give"]): Promise<Asks[Name]["take"]> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#worker.postMessage({ id, name, give });
    });
  }

  #hear(told: Told): void {
    if ("warning" in told) this.#options.onWarning(told.warning, told.reason);
    else if ("connections" in told) this.#count(told.connections);
    else this.#settle(told);
  }

  #settle(told: Extract<Told, { answers: number }>): void {
    const waiting = this.#waiting.get(told.answers);
    this.#waiting.delete(told.answers);
    if ("failure" in told) waiting?.reject(new Error(told.failure));
    else waiting?.resolve(told.take);
  }

  #count(connections: Extract<Told, { connections: unknown }>["connections"]): void {
    for (const [sandboxId, count] of connections) {
      if (count > 0) this.#connected.add(sandboxId);
      else this.#connected.delete(sandboxId);
      this.#options.onConnections(sandboxId, count);
    }
  }

  /** Under the same addresses; clients connect again by themselves. Never rejects. */
  async #startAgain(failure: unknown): Promise<void> {
    const { onWarning } = this.#options;
    const reason = messageOf(failure);
    for (const { reject } of this.#waiting.values()) reject(new Error(`cannot run the gateway of tunnels: ${reason}`));
    this.#waiting.clear();
    this.#count([...this.#connected].map((sandboxId) => [sandboxId, 0] as const));
    onWarning("the gateway of tunnels failed and is started again", reason);
    try {
      await sleep(againMs, undefined, { signal: this.#closing.signal });
      this.#worker = this.#start();
      if (this.#port !== 0) await this.#askNow("listen", { port: this.#port });
      for (const opened of this.#opened.values()) await this.#openAgain(opened);
    } catch (error) {
      if (!this.#closing.signal.aborted) onWarning("cannot open all tunnels again", messageOf(error));
    }
  }

  async #openAgain({ plan, plain }: Opened): Promise<void> {
    await this.#askNow("open", plan);
    for (const [port, wanted] of plain) await this.#askNow("openPlain", { sandboxId: plan.sandboxId, port, wanted });
  }
}

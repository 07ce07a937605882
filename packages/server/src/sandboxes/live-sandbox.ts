import { rmSync } from "node:fs";
import { join } from "node:path";
import type { NetworkPolicy, Result } from "@atoll/protocol";
import { Change } from "../change.ts";
import type { Holder, HolderEnd, HolderRecord } from "../engine/engine.ts";
import { messageOf } from "../error.ts";
import { InitLink } from "../init/link.ts";
import { Processes } from "../processes/processes.ts";
import { failedToStart, isKilled, lost, outOfMemory, resultOfStatus } from "../processes/result.ts";
import type { StartSpec } from "../processes/start-spec.ts";
import type { SandboxRow } from "../store/rows.ts";
import type { Context } from "./context.ts";
import { environmentOf, termOf } from "./defaults.ts";
import { activityPrecisionMs } from "./idle.ts";
import { moved } from "./lifecycle.ts";
import { membershipOf } from "./private-networks.ts";
import { type TimelineEvent, withEntry } from "./timeline.ts";
import type { WarmHolder } from "./warm-pool.ts";

/** How long init may take to connect, and to connect again: long, since it shares what cpu its sandbox has left. */
export const connectTimeoutMs = 30_000;

/** A sandbox that is not finished, or whose holder is not removed yet. */
export class LiveSandbox {
  readonly row: SandboxRow;
  readonly context: Context;
  readonly processes: Processes;
  readonly changed = new Change();
  /** Aborted with the result when the sandbox is to end: what is being done for it stops. */
  readonly ending = new AbortController();
  /** Aborted once it is finished. */
  readonly over = new AbortController();
  link: InitLink | undefined;
  holder: Holder | undefined;
  holderEnd: HolderEnd | undefined;
  /** When init must have connected again, while it is not connected. */
  connectBy = Number.POSITIVE_INFINITY;
  /** When the loop may try again what has failed, and how often it did. */
  retryAt = 0;
  failures = 0;
  /** Open connections through its tunnels. */
  connections = 0;
  isStored = false;
  /** What has become of it since an earlier daemon is not known yet. */
  isAdopting = false;
  #oomKills = 0;
  #environment: Readonly<Record<string, string>> | undefined;

  constructor(row: SandboxRow, context: Context) {
    this.row = row;
    this.context = context;
    this.processes = new Processes({
      sandboxId: row.id,
      store: context.store,
      outputDirectory: join(context.state.output, row.id),
      outputLimitBytes: context.config.outputLimitBytes,
      sandboxOutputLimitBytes: context.config.sandboxOutputLimitBytes,
      explain: (result) => this.#explain(result),
      onActivity: () => this.noteActivity(),
      onConnection: (isConnected) => this.#noteConnection(isConnected),
      onViolation: (error) => this.#noteViolation(error),
      onWriteError: (error) => context.log.error({ sandboxId: row.id, err: error }, "cannot write output"),
    });
  }

  get id(): string {
    return this.row.id;
  }

  /** How its own command ended; a sandbox without one ends in other ways. */
  get mainResult(): Result | undefined {
    const row = this.processes.mainRow;
    return row && row.argv.length > 0 ? row.result : undefined;
  }

  /** Names what the engine makes: the id without its prefix, 22 characters. */
  get key(): string {
    return this.row.id.slice(3);
  }

  get controlDirectory(): string {
    return join(this.context.state.run, this.key);
  }

  get isFinished(): boolean {
    return this.row.state === "finished";
  }

  /** Of all its processes; sealed at rest, so opened once when first needed. */
  get environment(): Readonly<Record<string, string>> {
    this.#environment ??= JSON.parse(this.context.seal.open(this.row.environment, environmentPurpose(this.id)));
    return this.#environment ?? {};
  }

  note(event: TimelineEvent, detail?: string): void {
    this.row.timeline = withEntry(this.row.timeline, event, Date.now(), detail);
  }

  move(to: SandboxRow["state"]): void {
    this.row.state = moved(this.row.state, to);
  }

  /** Has it end with this result, unless it is ending already. */
  endWith(result: Result): void {
    this.ending.abort(result);
    this.context.wake();
  }

  /** Stores the row and tells whoever waits for a change of it. */
  save(): void {
    if (this.isStored) this.context.store.sandboxes.update(this.row);
    this.changed.announce();
    this.context.wake();
  }

  /** Has what it has to do with the network hold in the engine. */
  async setNetwork(holder: HolderRecord, policy: NetworkPolicy): Promise<void> {
    const { id, spec } = this.row;
    const engine = this.context.levels.engine(spec.isolation);
    const rules = this.context.outboundSecrets.rules(id, spec.outboundSecrets ?? []);
    await engine.setNetwork(holder, { policy, rules, membership: membershipOf(this.row) });
  }

  async listen(): Promise<InitLink> {
    this.link = await InitLink.listen(join(this.controlDirectory, "control.sock"), this.processes);
    this.processes.attach(this.link);
    return this.link;
  }

  /** Takes over what was prepared ahead of time under this sandbox's key. */
  takeOver({ holder, link }: WarmHolder): void {
    this.link = link;
    this.processes.attach(link);
    link.handOver(this.processes);
    this.row.isDestroyed = false;
    this.row.holder = holder.record;
    this.watch(holder);
    this.note("prepared", `${holder.record.isolation}, ahead of time`);
  }

  async hangUp(): Promise<void> {
    await this.link?.close();
    this.link = undefined;
  }

  removeControlDirectory(): void {
    rmSync(this.controlDirectory, { recursive: true, force: true });
  }

  /** Wakes the loop when the holder is gone. */
  watch(holder: Holder): void {
    this.holder = holder;
    holder.gone.then((end) => {
      this.holderEnd = end;
      if (this.row.state === "starting")
        this.endWith(failedToStart(`the sandbox's init ended while it was starting${howOf(end)}`));
      this.context.wake();
    });
  }

  mainSpec(): StartSpec {
    const { spec } = this.row;
    return {
      argv: spec.command,
      environment: environmentOf(termOf(spec.pty), this.environment),
      workdir: spec.workdir ?? "",
      user: spec.user ?? "",
      openFilesLimit: spec.openFilesLimit,
      pty: spec.pty,
      keepsStdin: true,
    };
  }

  noteActivity(): void {
    const { idleTimeoutMs } = this.row.spec;
    this.context.wake();
    if (idleTimeoutMs === undefined || this.row.state !== "running") return;
    const now = Date.now();
    const isWorthStoring = now - (this.row.lastActiveAt ?? 0) >= activityPrecisionMs(idleTimeoutMs);
    this.row.lastActiveAt = now;
    if (isWorthStoring) this.save();
  }

  #noteConnection(isConnected: boolean): void {
    this.connectBy = isConnected ? Number.POSITIVE_INFINITY : Date.now() + connectTimeoutMs;
    if (!isConnected && this.row.state === "running") this.note("disconnected");
    this.context.wake();
  }

  #noteViolation(error: Error): void {
    this.context.log.warn({ sandboxId: this.id, err: error }, "the sandbox's init broke the protocol");
    this.endWith(lost(`the sandbox's init broke the protocol: ${error.message}`));
  }

  /** A process that was killed may have been killed for want of memory: then the kernel has counted it. */
  async #explain(result: Result): Promise<Result> {
    const { holder, spec } = this.row;
    if (!isKilled(result) || !holder) return result;
    try {
      const { oomKills } = await this.context.levels.engine(spec.isolation).usage(holder);
      const isOutOfMemory = oomKills > this.#oomKills;
      this.#oomKills = oomKills;
      return isOutOfMemory ? outOfMemory(`killed at the memory limit of ${spec.memoryBytes} bytes`) : result;
    } catch (error) {
      this.context.log.debug(
        { sandboxId: this.id, err: error },
        `cannot read the sandbox's usage: ${messageOf(error)}`,
      );
      return result;
    }
  }
}

export function environmentPurpose(sandboxId: string): string {
  return `environment ${sandboxId}`;
}

function howOf({ status }: HolderEnd): string {
  if (status === undefined || status < 0) return "";
  const { signal, exitCode } = resultOfStatus(status);
  return signal ? `, by ${signal}` : `, with exit code ${exitCode}`;
}

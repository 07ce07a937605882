import type { NetworkPolicy, PrivateNetwork, Sandbox, SandboxCreate, SandboxState } from "@atoll/protocol";
import { within } from "../change.ts";
import { AtollError } from "../error.ts";
import { newId } from "../id.ts";
import { outbound } from "../network/outbound.ts";
import { terminated } from "../processes/result.ts";
import { checkSize } from "../processes/start-spec.ts";
import type { SandboxRow } from "../store/rows.ts";
import { adopt, hearOut, recall } from "./adopting.ts";
import { type AnswerOf, Answers, type Repeatable } from "./answers.ts";
import type { Context } from "./context.ts";
import { environmentOf, networkPolicyOf, withDefaults } from "./defaults.ts";
import { destroy, finish } from "./ending.ts";
import { environmentPurpose, LiveSandbox } from "./live-sandbox.ts";
import { checkPorts } from "./ports.ts";
import { checkMemberName, networkOf, privateNetworks } from "./private-networks.ts";
import { probeUntilReady } from "./readiness.ts";
import { Reconciler } from "./reconcile.ts";
import { isPlatformFailure, start } from "./starting.ts";
import { withEntry } from "./timeline.ts";
import { sandboxView } from "./view.ts";

const adoptionsAtOnce = 16;
/** The time limit counts from the start, which may take this long. */
const mostStartMs = 120_000;

export interface ListFilter {
  readonly app?: string | undefined;
  readonly name?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly state?: SandboxState | undefined;
  /** Finished ones too. */
  readonly all: boolean;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface SandboxPage {
  readonly items: Sandbox[];
  readonly nextCursor?: string;
}

/** All sandboxes of this machine. Those that are not finished and removed live in memory; the others in the store. */
export class Sandboxes {
  readonly answers: Answers;
  readonly #context: Context;
  readonly #live = new Map<string, LiveSandbox>();
  readonly #reconciler: Reconciler;
  readonly #holdersKnown = Promise.withResolvers<void>();
  #sequence: number;

  /** @param context whose `wake` is to call `wake` of this */
  constructor(context: Context) {
    this.#context = context;
    this.answers = new Answers(context.store);
    this.#sequence = context.store.sandboxes.lastSequence();
    this.#reconciler = new Reconciler(this.#live, context, (live) => this.#live.delete(live.id));
  }

  wake(): void {
    this.#reconciler.wake();
  }

  /**
   * Takes up what an earlier daemon left. Settles once each sandbox was looked at.
   * @param removeStrays removes what belongs to none of them. Nothing is created before: what is new could otherwise share
   *   user ids with a holder that an earlier daemon had no time to record.
   */
  async adopt(removeStrays: () => Promise<void>): Promise<void> {
    const found = this.#context.store.sandboxes.unsettled().map((row) => this.#remember(row));
    for (const live of found) recall(live);
    const queue = found.filter((live) => live.isAdopting);
    const heard: Promise<void>[] = [];
    const workers = Array.from({ length: adoptionsAtOnce }, async () => {
      for (let live = queue.shift(); live; live = queue.shift()) {
        await adopt(live);
        heard.push(this.#hear(live));
      }
    });
    this.wake();
    try {
      await Promise.all(workers);
      await removeStrays();
    } finally {
      this.#holdersKnown.resolve();
    }
    await Promise.all(heard);
  }

  /** Stops without ending any sandbox: the next daemon takes them up. */
  async stop(): Promise<void> {
    await this.#reconciler.stop();
    await Promise.all([...this.#live.values()].map((live) => this.#leave(live)));
  }

  /** Whether there is none that runs, and none with anything left to remove. */
  get isEmpty(): boolean {
    return this.#live.values().every(({ row }) => row.isDestroyed);
  }

  /** A finished one is removed still; the others are left as they are. */
  async #leave(live: LiveSandbox): Promise<void> {
    if (live.isFinished && !live.row.isDestroyed) await destroy(live);
    await live.processes.suspend();
    await live.hangUp();
  }

  /**
   * Creates a sandbox and settles once its command runs or could not be started.
   * @param repeatable with an idempotency key: a repetition gets the sandbox of the first request
   * @param signal of the caller; when it goes away and cannot come back for it, the sandbox is ended
   * @throws AtollError invalid_argument, conflict, capacity, isolation_unavailable, gpu_unavailable, not_found;
   *   failed_to_start when the platform could not make it, rather than the command not run
   */
  async create(request: SandboxCreate, repeatable: Repeatable | undefined, signal: AbortSignal): Promise<Sandbox> {
    const callerGone = repeatable ? new AbortController().signal : signal;
    const make = () => this.answers.once(repeatable, (answer) => this.#create(request, answer, callerGone));
    let id = await make();
    await this.#begun(id, signal);
    // The sandbox of the first request may have been lost to a restart before its command was begun: then it is made anew.
    if (repeatable && !this.answers.has(repeatable)) id = await make();
    const sandbox = this.get(id);
    if (!isPlatformFailure(sandbox.result)) return sandbox;
    const reason = sandbox.result?.message ?? "";
    throw new AtollError("failed_to_start", `cannot start the sandbox ${id}: ${reason}`);
  }

  get(id: string): Sandbox {
    return sandboxView(this.row(id));
  }

  list(filter: ListFilter): SandboxPage {
    const before = filter.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number.parseInt(filter.cursor, 10);
    const wanted = { ...filter, before, limit: filter.limit + 1 };
    const live = [...this.#live.values()].map(({ row }) => row).filter((row) => matches(row, wanted));
    const withFinished = filter.all || filter.state === "finished";
    const stored = withFinished ? this.#context.store.sandboxes.finished(wanted) : [];
    const others = stored.filter((row) => !this.#live.has(row.id) && matches(row, wanted));
    const rows = [...live, ...others].sort((a, b) => b.sequence - a.sequence);
    const items = rows.slice(0, filter.limit);
    const last = items.at(-1);
    return {
      items: items.map(sandboxView),
      ...(rows.length > items.length && last && { nextCursor: `${last.sequence}` }),
    };
  }

  /** Waits until it is finished, for `timeoutMs` at most, and answers with its state either way. */
  async wait(id: string, timeoutMs: number, signal: AbortSignal): Promise<Sandbox> {
    return this.#until(id, (live) => live.isFinished, timeoutMs, signal);
  }

  async waitReady(id: string, timeoutMs: number, signal: AbortSignal): Promise<Sandbox> {
    return this.#until(id, (live) => live.isFinished || live.row.readyAt !== undefined, timeoutMs, signal);
  }

  async terminate(id: string, signal: AbortSignal): Promise<Sandbox> {
    const live = this.#live.get(id);
    if (live && !live.isFinished) {
      live.endWith(terminated());
      await live.changed.until(() => live.isFinished, signal);
    }
    return this.get(id);
  }

  setTags(id: string, tags: Readonly<Record<string, string>>): Sandbox {
    const row = this.row(id);
    row.tags = tags;
    const live = this.#live.get(id);
    if (live) live.save();
    else this.#context.store.sandboxes.update(row);
    return sandboxView(row);
  }

  /** @throws AtollError conflict when another has the name in its app, sandbox_finished */
  async rename(id: string, name: string): Promise<Sandbox> {
    const live = this.#running(id, "name");
    if (live.row.name === name) return this.get(id);
    this.#checkName(live.row.app, name, live.row.spec.network?.name, live);
    const { row } = live;
    row.name = name;
    live.save();
    // Members of its private network find it by its name.
    if (row.holder && row.spec.network) await live.setNetwork(row.holder, row.networkPolicy);
    return this.get(id);
  }

  /**
   * Replaces what the sandbox may reach. Settles once it holds.
   * @throws AtollError invalid_argument that names the item, sandbox_finished
   */
  async updateNetworkPolicy(id: string, policy: NetworkPolicy): Promise<Sandbox> {
    outbound(policy);
    const live = this.#running(id, "change the network policy of");
    const { row } = live;
    // One that is still being prepared is given the policy of its row.
    if (row.holder) await live.setNetwork(row.holder, policy);
    row.networkPolicy = networkPolicyOf(policy);
    live.save();
    await this.#context.tunnels.obeyPolicy(live);
    return this.get(id);
  }

  /** Private networks that have members. */
  networks(app: string | undefined): PrivateNetwork[] {
    return privateNetworks(
      this.#rows().filter((row) => row.state !== "finished"),
      app,
    );
  }

  counts(): Record<SandboxState, number> {
    const counts = { queued: 0, starting: 0, running: 0, finished: this.#context.store.sandboxes.countFinished() };
    for (const { row } of this.#live.values()) if (row.state !== "finished") counts[row.state] += 1;
    return counts;
  }

  /** What those that are not removed yet stand on. */
  imagesInUse() {
    const mounts = this.#context.store.mounts.list();
    const specs = [...this.#live.values()].filter(({ row }) => !row.isDestroyed || row.state !== "finished");
    return {
      images: new Set([
        ...specs.flatMap(({ row }) => row.spec.imageId ?? []),
        ...mounts.flatMap((row) => row.imageId ?? []),
      ]),
      layers: new Set([...specs.flatMap(({ row }) => row.spec.layers ?? []), ...mounts.flatMap((row) => row.layers)]),
    };
  }

  /** Keys of the holders that belong to a sandbox. */
  holderKeys(): ReadonlySet<string> {
    return new Set([...[...this.#live.values()].map((live) => live.key), ...this.#context.pool.keys]);
  }

  /** Of the one whose network has this address. */
  idAt(address: string): string | undefined {
    return this.#live.values().find(({ row }) => row.holder?.address === address && !row.isDestroyed)?.id;
  }

  /** Of those in memory. */
  ids(): Iterable<string> {
    return this.#live.keys();
  }

  /** @throws AtollError not_found */
  row(id: string): SandboxRow {
    const row = this.#live.get(id)?.row ?? this.#context.store.sandboxes.get(id);
    if (row) return row;
    throw new AtollError("not_found", `cannot find the sandbox ${id}`);
  }

  /** The sandbox while it is in memory; @throws AtollError not_found when there never was one */
  live(id: string): LiveSandbox | undefined {
    const live = this.#live.get(id);
    if (!live) this.row(id);
    return live;
  }

  /** @throws AtollError not_found, sandbox_finished */
  #running(id: string, what: string): LiveSandbox {
    const live = this.live(id);
    if (live && !live.isFinished) return live;
    throw new AtollError("sandbox_finished", `cannot ${what} the sandbox ${id}: it has finished`);
  }

  async #create(request: SandboxCreate, answer: AnswerOf | undefined, callerGone: AbortSignal): Promise<string> {
    const { images, levels, stopping } = this.#context;
    checkPorts(request);
    this.#checkRoom(request);
    outbound(request);
    this.#context.outboundSecrets.check(request);
    await this.#holdersKnown.promise;
    const isolation = await levels.choose(request.isolation);
    const image = await images.resolve(request.image ?? "base", AbortSignal.any([stopping, callerGone]));
    // Other requests ran while these were found out; from here to the map nothing is awaited.
    this.#checkRoom(request);
    const volumes = this.#context.volumes.resolve(request.volumes ?? []);
    const spec = { ...withDefaults(request, isolation, image, this.#context.machine), volumes };
    const given = this.#given(request, spec, image.environment);
    // What is prepared ahead in gVisor has files that nobody else changes.
    const isOrdinary = volumes.length === 0 || isolation === "container";
    const warm = isOrdinary ? this.#context.pool.take(isolation) : undefined;
    const live = this.#remember(this.#newRow(warm ? `sb-${warm.key}` : newId("sb"), request, spec, given));
    if (warm) live.takeOver(warm);
    live.processes.addMain(live.row.spec.command, live.row.spec.pty);
    const leave = () => live.endWith(terminated("the caller went away before it was created"));
    callerGone.addEventListener("abort", leave, { once: true });
    const result = await start(live, image, answer);
    callerGone.removeEventListener("abort", leave);
    if (stopping.aborted) throw new AtollError("unavailable", "cannot create a sandbox: the server is stopping");
    if (result) await this.#fail(live, result);
    else this.#probe(live);
    return live.id;
  }

  async #fail(live: LiveSandbox, result: NonNullable<SandboxRow["result"]>): Promise<void> {
    if (live.link?.isConnected) live.processes.killAll(result);
    await live.processes.close(result);
    await this.#context.volumes.remove(live.id);
    finish(live, result);
  }

  #checkRoom(request: SandboxCreate): void {
    const { config, store } = this.#context;
    const running = [...this.#live.values()].filter((live) => !live.isFinished);
    if (running.length >= config.maxSandboxes) {
      throw new AtollError("capacity", `cannot create a sandbox: ${config.maxSandboxes} are there already`);
    }
    const app = request.app ?? "default";
    if (!store.apps.named(app)) {
      throw new AtollError("not_found", `cannot find the app "${app}"`, "Look it up with createIfMissing to make it.");
    }
    if (request.name !== undefined) this.#checkName(app, request.name, request.network);
  }

  /** @param network of the sandbox that is to have it */
  #checkName(app: string, name: string, network: string | undefined, except?: LiveSandbox): void {
    const others = [...this.#live.values()].filter((live) => !live.isFinished && live !== except);
    const holder = others.find(({ row }) => row.name === name && row.app === app);
    if (holder)
      throw new AtollError(
        "conflict",
        `cannot name a sandbox "${name}": a sandbox of that name already exists in the app "${app}", ${holder.id}`,
      );
    if (network !== undefined)
      checkMemberName(
        { app, network, name },
        others.map(({ row }) => row),
      );
  }

  /** Devices and environment, or why the request cannot have them: found out before anything is taken for it. */
  #given(request: SandboxCreate, spec: SandboxRow["spec"], imageEnvironment: Readonly<Record<string, string>>) {
    const { secrets, outboundSecrets, gpus } = this.#context;
    const chosen = request.gpu === undefined ? [] : gpus.choose(request.gpu, this.#gpusInUse());
    const environment = environmentOf(
      imageEnvironment,
      outboundSecrets.environment(spec.outboundSecrets ?? []),
      gpus.edits(chosen).environment,
      secrets.environment(request.secrets ?? []),
      request.env ?? {},
    );
    checkSize({ argv: spec.command, environment });
    return { gpus: chosen, environment };
  }

  #newRow(
    id: string,
    request: SandboxCreate,
    spec: SandboxRow["spec"],
    given: { readonly gpus: string[]; readonly environment: Readonly<Record<string, string>> },
  ): SandboxRow {
    const now = Date.now();
    const { identityToken: variable, app = "default", name } = request;
    const identity = () =>
      this.#context.identity.token({ id, app, name, expiresAt: now + spec.timeoutMs + mostStartMs });
    const environment = { ...given.environment, ...(variable !== undefined && { [variable]: identity() }) };
    this.#sequence += 1;
    return {
      id,
      sequence: this.#sequence,
      app,
      name,
      spec: { ...spec, network: networkOf(request, this.#rows(), this.#sequence) },
      environment: this.#context.seal.close(JSON.stringify(environment), environmentPurpose(id)),
      createdAt: now,
      tags: request.tags ?? {},
      networkPolicy: networkPolicyOf(request),
      state: "queued",
      isDestroyed: true,
      gpus: given.gpus,
      hostPorts: {},
      timeline: withEntry([], "queued", now),
    };
  }

  #rows(): SandboxRow[] {
    return [...this.#live.values()].map(({ row }) => row);
  }

  #gpusInUse(): ReadonlySet<string> {
    return new Set([...this.#live.values()].flatMap(({ row }) => row.gpus));
  }

  #remember(row: SandboxRow): LiveSandbox {
    const live = new LiveSandbox(row, this.#context);
    this.#live.set(row.id, live);
    return live;
  }

  async #hear(live: LiveSandbox): Promise<void> {
    await hearOut(live);
    if (live.row.state === "running") this.#probe(live);
    this.wake();
  }

  #probe(live: LiveSandbox): void {
    probeUntilReady(live).catch((error: unknown) => {
      this.#context.log.error({ sandboxId: live.id, err: error }, "cannot probe a sandbox");
    });
  }

  /** Settles once it runs or is finished. */
  async #begun(id: string, signal: AbortSignal): Promise<void> {
    const live = this.live(id);
    await live?.changed.until(() => live.row.state === "running" || live.isFinished, signal);
  }

  async #until(
    id: string,
    isTrue: (live: LiveSandbox) => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    const live = this.live(id);
    if (live) await within(timeoutMs, live.changed, () => isTrue(live), signal);
    return this.get(id);
  }
}

function matches(row: SandboxRow, filter: ListFilter & { readonly before: number }): boolean {
  if (row.sequence >= filter.before) return false;
  if (row.state === "finished" && !filter.all && filter.state !== "finished") return false;
  if (filter.state !== undefined && row.state !== filter.state) return false;
  if (filter.app !== undefined && row.app !== filter.app) return false;
  if (filter.name !== undefined && row.name !== filter.name) return false;
  return Object.entries(filter.tags).every(([key, value]) => row.tags[key] === value);
}

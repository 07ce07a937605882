import { mkdirSync } from "node:fs";
import type { Result } from "@atoll/protocol";
import type { Engine } from "../engine/engine.ts";
import { AtollError, messageOf } from "../error.ts";
import { exitCodes, failedToStart } from "../processes/result.ts";
import type { AnswerOf } from "./answers.ts";
import type { Image } from "./image.ts";
import { connectTimeoutMs, type LiveSandbox } from "./live-sandbox.ts";

/** From the first step to the running command. */
const startTimeoutMs = 120_000;

/**
 * Takes a queued sandbox to running. Never rejects: what fails is the result, and the row is stored in each case.
 * Two commits on the way: one once there is a holder, so that it is found after a crash; one when the command runs.
 */
export async function start(
  live: LiveSandbox,
  image: Image,
  answer: AnswerOf | undefined,
): Promise<Result | undefined> {
  const { context } = live;
  const signal = AbortSignal.any([live.ending.signal, context.stopping, AbortSignal.timeout(startTimeoutMs)]);
  const began = performance.now();
  const result = await context.creations
    .with(() => startInSlot(live, image, answer, signal), signal)
    .catch((error: unknown) => resultOfFailure(live, error));
  if (!live.isStored && !context.stopping.aborted) insert(live, answer);
  context.observer.created(live.row.spec.isolation, result === undefined, (performance.now() - began) / 1000);
  return result;
}

async function startInSlot(
  live: LiveSandbox,
  image: Image,
  answer: AnswerOf | undefined,
  signal: AbortSignal,
): Promise<Result | undefined> {
  const engine = live.context.levels.engine(live.row.spec.isolation);
  live.move("starting");
  live.note("starting");
  if (!live.holder) await prepare(live, engine, signal);
  await step("open the ports", () => live.context.tunnels.open(live, signal));
  insert(live, answer);
  await claim(live, engine, image, signal);
  return await startCommand(live, signal);
}

async function prepare(live: LiveSandbox, engine: Engine, signal: AbortSignal): Promise<void> {
  const { row } = live;
  row.isDestroyed = false;
  mkdirSync(live.controlDirectory, { recursive: true });
  await live.listen();
  const sharesFiles = (row.spec.volumes ?? []).length > 0;
  const request = { key: live.key, controlDirectory: live.controlDirectory, sharesFiles };
  const holder = await step("prepare the isolation", () => engine.prepare(request, signal));
  row.holder = holder.record;
  live.watch(holder);
  live.note("prepared", row.spec.isolation);
}

async function claim(live: LiveSandbox, engine: Engine, image: Image, signal: AbortSignal): Promise<void> {
  const { row, link, context } = live;
  const { spec } = row;
  const { holder } = live;
  if (!link || !holder) throw new Error("a sandbox is claimed only once it is prepared");
  const edits = context.gpus.edits(row.gpus);
  const volumes = await step("mount the volumes", () => context.volumes.prepare(row.id, spec.volumes ?? [], signal));
  const request = {
    layers: image.layers,
    limits: { cpu: spec.cpu, memoryBytes: spec.memoryBytes, pids: spec.pidsLimit, diskBytes: spec.diskBytes },
    devices: edits.devices,
    mounts: [...edits.mounts, ...volumes, ...context.outboundSecrets.mounts(row.id, spec.outboundSecrets ?? [])],
    network: spec.network?.name,
  };
  const connectLimit = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]);
  // Not side by side: an init that is still opening its control directory must not lose it to the change of the root.
  await step("reach the sandbox's init", () => link.whenConnected(connectLimit));
  // Nothing but init runs in it yet.
  await step("set the network policy", () => live.setNetwork(holder.record, row.networkPolicy));
  const claimed = await step("give the sandbox its root and limits", () => engine.claim(holder, request, signal));
  live.note("claimed");
  const { errno, step: failed } = await step("set up the sandbox", () =>
    link.setup(claimed.root, "", signal, claimed.mostProcesses),
  );
  if (errno !== 0)
    throw new AtollError("failed_to_start", `cannot set up the sandbox: ${failed} failed: errno ${errno}`);
  live.note("set_up");
}

async function startCommand(live: LiveSandbox, signal: AbortSignal): Promise<Result | undefined> {
  const { row, processes } = live;
  const { main } = processes;
  if (!main) throw new Error("a sandbox has a main process from the beginning");
  if (row.spec.command.length === 0) processes.beginMain();
  else processes.startMain(live.mainSpec());
  await main.changed.until(() => main.isStarted || main.isFinished, signal);
  if (main.row.startedAt === undefined) return main.row.result;
  begin(live, main.row.startedAt);
  return undefined;
}

/** The time limit counts from here. */
export function begin(live: LiveSandbox, startedAt: number): void {
  const { row } = live;
  live.move("running");
  row.startedAt = startedAt;
  row.deadlineAt = startedAt + row.spec.timeoutMs;
  row.lastActiveAt = startedAt;
  if (!row.spec.readinessProbe) row.readyAt = startedAt;
  live.note("started");
  live.context.store.transaction(() => {
    if (live.processes.mainRow) live.context.store.processes.update(live.processes.mainRow);
    live.save();
  });
}

function insert(live: LiveSandbox, answer: AnswerOf | undefined): void {
  const { store } = live.context;
  const main = live.processes.main?.row;
  store.transaction(() => {
    store.sandboxes.insert(live.row);
    live.context.volumes.insert(live.id, live.row.spec.volumes ?? []);
    if (main) store.processes.insert(main);
    if (answer) store.answers.insert(answer(live.id));
  });
  live.isStored = true;
}

async function step<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new AtollError("failed_to_start", `cannot ${what}: ${messageOf(error)}`, undefined, error);
  }
}

/** A start that was cut short because the sandbox is to end has the result it is to end with. */
function resultOfFailure(live: LiveSandbox, error: unknown): Result {
  if (live.ending.signal.aborted) return live.ending.signal.reason as Result;
  if (!live.context.stopping.aborted)
    live.context.log.error({ sandboxId: live.id, err: error }, "cannot start a sandbox");
  return failedToStart(messageOf(error));
}

/** Whether a failed start is the platform's failure rather than the command's. */
export function isPlatformFailure(result: Result | undefined): boolean {
  return result?.kind === "failed_to_start" && result.exitCode === exitCodes.cannotRun;
}

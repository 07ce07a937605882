import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../error.ts";
import { outputPath, type StreamName } from "../processes/process.ts";
import { failedToStart, lost } from "../processes/result.ts";
import type { ProcessRow } from "../store/rows.ts";
import { finish } from "./ending.ts";
import { connectTimeoutMs, type LiveSandbox } from "./live-sandbox.ts";
import { begin } from "./starting.ts";

const adoptTimeoutMs = 30_000;

/**
 * Knows its processes and their output again, and keeps what its holder has from others; one that is finished may have to be destroyed still.
 * Comes before the first request is served, which may be about any of them.
 */
export function recall(live: LiveSandbox): void {
  const { holder, isDestroyed } = live.row;
  live.isStored = true;
  if (holder && !isDestroyed) live.context.levels.reserve(holder);
  live.isAdopting = !live.isFinished;
  if (live.isAdopting) live.processes.adopt((row, stream) => keptBytes(live, row, stream));
}

/**
 * Takes up a recalled sandbox of an earlier daemon: listens where its init connects, and finds its holder again. What cannot be
 * found again ends, and says so. `hearOut` comes next.
 */
export async function adopt(live: LiveSandbox): Promise<void> {
  live.connectBy = Date.now() + connectTimeoutMs;
  try {
    mkdirSync(live.controlDirectory, { recursive: true });
    await live.listen();
    await findHolder(live);
  } catch (error) {
    live.context.log.error({ sandboxId: live.id, err: error }, "cannot adopt a sandbox");
    live.endWith(lost(`the server was restarted and could not take the sandbox up again: ${messageOf(error)}`));
  }
}

/**
 * Lets init say what happened while no daemon listened, before anything is decided of the sandbox: a process whose time
 * has run out since may have ended in time.
 */
export async function hearOut(live: LiveSandbox): Promise<void> {
  const { link, holder, context } = live;
  const limit = AbortSignal.any([live.ending.signal, context.stopping, AbortSignal.timeout(connectTimeoutMs)]);
  // init answers a PING at once, and speaks of its processes at the end of that turn: before it reads a second one.
  const heard = async () => {
    await link?.ping(limit);
    await link?.ping(limit);
  };
  // A link that ends or a wait that is over leaves the decision to the loop.
  if (holder) await Promise.race([heard(), holder.gone]).catch(() => undefined);
  live.isAdopting = false;
  if (live.row.state === "starting") await finishStart(live);
}

async function findHolder(live: LiveSandbox): Promise<void> {
  const { row, context } = live;
  const signal = AbortSignal.any([context.stopping, AbortSignal.timeout(adoptTimeoutMs)]);
  const engine = context.levels.engine(row.spec.isolation);
  const holder = row.holder && (await engine.adopt(row.holder, signal));
  if (holder) {
    await live.setNetwork(holder.record, row.networkPolicy);
    live.watch(holder);
    live.note("adopted");
    await context.tunnels.reopen(live, context.stopping);
  } else {
    live.holderEnd = { at: new Date(), outOfMemory: false };
    live.endWith(lost("the sandbox, or the launcher above it, ended while the server was not running"));
  }
}

/**
 * The earlier daemon died while the sandbox was starting. Had it sent the command, init knows it and it runs; had it not,
 * nothing of the command has run, and the creation may be repeated under its key.
 */
async function finishStart(live: LiveSandbox): Promise<void> {
  const { context, row } = live;
  const { main } = live.processes;
  const limit = AbortSignal.any([live.ending.signal, context.stopping, AbortSignal.timeout(connectTimeoutMs)]);
  const isOver = () => main === undefined || main.isStarted || main.isFinished;
  if (row.spec.command.length > 0) await main?.changed.until(isOver, limit).catch(() => undefined);
  if (context.stopping.aborted) return;
  if (main?.row.startedAt !== undefined) return begin(live, main.row.startedAt);
  const result = failedToStart("the server was restarted while the sandbox was starting; create it again");
  await live.processes.close(result);
  context.store.transaction(() => {
    context.store.answers.removeFor(row.id);
    finish(live, result);
  });
}

/** The file says how much was kept; what init was told to forget is never more than that. */
function keptBytes(live: LiveSandbox, row: ProcessRow, stream: StreamName): number {
  const path = outputPath(join(live.context.state.output, live.id), row.number, stream);
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

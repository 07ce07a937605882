/** Composition root: the only file that picks implementations. Its environment is described in config.ts. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Logger, pino } from "pino";
import { type Config, configFrom } from "./config.ts";
import { openEngines } from "./engine/engines.ts";
import { AtollError, messageOf } from "./error.ts";
import { Launcher } from "./launcher/client.ts";
import { enterLauncher } from "./launcher/enter.ts";
import { limitLogFile } from "./log-file.ts";
import { type Image, onlyBaseImage } from "./sandboxes/image.ts";
import { startServer } from "./server.ts";
import { baseImageRecipe } from "./setup/base-image-recipe.ts";
import { findBaseImage } from "./setup/ensure-base-image.ts";
import { distributionOf, readMachine } from "./setup/machine.ts";
import { findProgram } from "./setup/programs.ts";
import { findRunsc } from "./setup/runsc.ts";
import { type StateDirectory, takeStateDirectory } from "./state-directory.ts";

const native = (name: string) => fileURLToPath(new URL(`../../../native/build/${name}`, import.meta.url));
const startTimeoutMs = 120_000;
const endTimeoutMs = 30_000;

async function main(): Promise<void> {
  const config = configFrom(process.env);
  const log = pino({ level: config.logLevel });
  using _limit = limitLogFile(process.stdout.fd, log);
  const state = takeStateDirectory(config.stateDirectory);
  const ending = endSignal(log);
  try {
    await serve(config, state, log, ending);
  } finally {
    state.release();
  }
}

async function serve(config: Config, state: StateDirectory, log: Logger, ending: AbortSignal): Promise<void> {
  const starting = AbortSignal.any([ending, AbortSignal.timeout(startTimeoutMs)]);
  const launcher = await openLauncher(state, log, starting);
  const engines = await openEngines(launcher, await enginesOptions(config, state, log, starting), starting);
  const server = await startServer({
    config,
    state,
    engines: engines.engines,
    images: onlyBaseImage(() => baseImage(state.path)),
    run: (argv, options) => launcher.run(argv, options),
    launcherBinary: native("launcher"),
    sweep: (signal) => engines.sweep(signal),
    readySlots: () => engines.readySlots(),
    traffic: engines.traffic,
    diskStore: engines.diskStore,
    log,
  });
  log.info({ version: server.version }, "ready");
  const isLost = await Promise.race([aborted(ending).then(() => false), launcher.lost.then(() => true)]);
  if (isLost) giveUp(log);
  log.info("stopping; sandboxes run on");
  await server.stop();
  await engines.close(!server.hasSandboxes(), AbortSignal.timeout(endTimeoutMs));
  launcher.close();
}

async function enginesOptions(config: Config, state: StateDirectory, log: Logger, signal: AbortSignal) {
  return {
    stateDirectory: state.path,
    initBinary: native("init"),
    launcherBinary: native("launcher"),
    runscBinary: (await findRunsc(state.path, signal))?.path,
    crunBinary: await findProgram("crun"),
    subnet: config.subnet,
    nameServers: config.nameServers,
    hostServices: config.hostServices,
    defaultDiskBytes: config.defaultDiskBytes,
    diskStore: config.diskStore,
    readySlots: config.readySlots,
    onError: (error: unknown) => log.error({ err: error }, "an engine failed in the background"),
  };
}

/** The launcher outlives the daemon, and everything that runs in sandboxes is below it. */
async function openLauncher(state: StateDirectory, log: Logger, signal: AbortSignal): Promise<Launcher> {
  const logDirectory = join(state.path, "log");
  mkdirSync(logDirectory, { recursive: true, mode: 0o700 });
  const binary = native("launcher");
  const socketPath = join(state.run, "launcher.sock");
  const launcher = await Launcher.ensure({
    socketPath,
    binary,
    pidfile: join(state.run, "launcher.pid"),
    logFile: join(logDirectory, "launcher.log"),
    log: (message) => log.warn(message),
    signal,
  });
  enterLauncher(launcher, binary, socketPath);
  return launcher;
}

async function baseImage(stateDirectory: string): Promise<Omit<Image, "id">> {
  const distribution = distributionOf(await readMachine());
  const layer = distribution && (await findBaseImage(stateDirectory, baseImageRecipe(distribution)));
  if (layer) return { layers: [layer], environment: {} };
  throw new AtollError("unavailable", "cannot use the base image: it is not made yet", "Run `atoll setup` to make it.");
}

/** Without the launcher nothing can be started or removed, and a new one is the matter of a new start. */
function giveUp(log: Logger): void {
  log.fatal("the connection to the launcher is lost; stopping, so that the next start finds or starts one");
  process.exitCode = 1;
}

function endSignal(log: Logger): AbortSignal {
  const ending = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      log.info({ signal: name }, "asked to stop");
      ending.abort(new Error(`stopped by ${name}`));
    });
  }
  return ending.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
// Everything is closed and the state directory belongs to the next server: nothing that still waits may keep this one alive.
process.exit();

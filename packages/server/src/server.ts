import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Isolation } from "@atoll/protocol";
import type { Logger } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { admission } from "./api/admission.ts";
import { appHandlers } from "./api/apps.ts";
import { diskHandlers } from "./api/disk.ts";
import { edge } from "./api/edge.ts";
import { encryption } from "./api/encryption.ts";
import { fileHandlers } from "./api/files.ts";
import { overHttp2 } from "./api/http2.ts";
import { identityHandlers } from "./api/identity.ts";
import { imageHandlers } from "./api/images.ts";
import { networkLogHandlers } from "./api/network-log.ts";
import { processHandlers } from "./api/processes.ts";
import { sandboxHandlers } from "./api/sandboxes.ts";
import { secretHandlers } from "./api/secrets.ts";
import { serverHandlers } from "./api/server.ts";
import { serveTerminals } from "./api/terminal.ts";
import { tokenHandlers } from "./api/tokens.ts";
import { tunnelHandlers } from "./api/tunnels.ts";
import { volumeHandlers } from "./api/volumes.ts";
import { Apps } from "./apps/apps.ts";
import type { Config } from "./config.ts";
import { Gpus } from "./devices/gpus.ts";
import { DiskSurvey } from "./disk/survey.ts";
import type { Engine, Leak } from "./engine/engine.ts";
import { Environments } from "./environments/environments.ts";
import { Files } from "./files/files.ts";
import { Identity } from "./identity/identity.ts";
import { Catalogue } from "./images/catalogue.ts";
import { ImageService } from "./images/images.ts";
import type { DiskStore } from "./layers/disk-store.ts";
import { LayerStore, type RunHost } from "./layers/layer-store.ts";
import { SizedDirectories } from "./layers/sized-directory.ts";
import { metrics } from "./metrics.ts";
import { modalDialect } from "./modal/dialect.ts";
import { grpcServer } from "./modal/serve.ts";
import { SignedTokens } from "./modal/signed-token.ts";
import { transferRoutes } from "./modal/transfers.ts";
import type { TrafficSource } from "./network/traffic.ts";
import type { Context } from "./sandboxes/context.ts";
import { thisMachine } from "./sandboxes/defaults.ts";
import { gc } from "./sandboxes/gc.ts";
import type { Images } from "./sandboxes/image.ts";
import { IsolationLevels } from "./sandboxes/isolation-levels.ts";
import { NetworkLog } from "./sandboxes/network-log.ts";
import { OutboundSecrets } from "./sandboxes/outbound-secrets.ts";
import { SandboxProcesses } from "./sandboxes/sandbox-processes.ts";
import { Sandboxes } from "./sandboxes/sandboxes.ts";
import { WarmPool } from "./sandboxes/warm-pool.ts";
import { sealWith, secretKey } from "./secrets/seal.ts";
import { Secrets } from "./secrets/secrets.ts";
import { sharePort } from "./share-port.ts";
import { Slots } from "./slots.ts";
import type { StateDirectory } from "./state-directory.ts";
import { openSqlite } from "./store/sqlite.ts";
import { Tokens } from "./tokens/tokens.ts";
import { tunnelKey } from "./tunnels/labels.ts";
import { withinOpenFiles } from "./tunnels/tunnel-config.ts";
import { Tunnels } from "./tunnels/tunnels.ts";
import { backgroundCommits } from "./volumes/background.ts";
import { VolumeMounts } from "./volumes/mounts.ts";
import { VolumeFiles } from "./volumes/volume-files.ts";
import { Volumes } from "./volumes/volumes.ts";

/** What a server does not choose for itself. */
export interface Parts {
  readonly config: Config;
  readonly state: StateDirectory;
  readonly engines: ReadonlyMap<Isolation, Engine>;
  /** Offers the base image. */
  readonly images: Images;
  /** Runs programs of the machine that make layers. */
  readonly run: RunHost;
  readonly launcherBinary: string;
  /** What the engines know of that belongs to no holder. */
  readonly sweep: (signal: AbortSignal) => Promise<Leak[]>;
  readonly readySlots: () => number;
  readonly traffic: TrafficSource;
  readonly diskStore: DiskStore;
  readonly log: Logger;
}

export interface RunningServer {
  readonly url: string;
  readonly version: string;
  /** Settles once the sandboxes of an earlier daemon were taken up. */
  readonly adopted: Promise<void>;
  /** Whether a sandbox is left that a later daemon will take up. */
  hasSandboxes(): boolean;
  /** Stops answering, and leaves all sandboxes running for the next daemon. */
  stop(): Promise<void>;
}

const lastAnswersMs = 2000;

/** Puts the daemon together around its engines and serves the native API. */
export async function startServer(parts: Parts): Promise<RunningServer> {
  const { config, state, log } = parts;
  const startedAt = new Date().toISOString();
  const stopping = new AbortController();
  const store = openSqlite(state.database);
  const key = secretKey(config.secretKey, state.path);
  const seal = sealWith(key);
  const machine = thisMachine(readFileSync("/proc/self/limits", "utf8"));
  const tunnels = new Tunnels({
    config: withinOpenFiles(config.tunnels, machine.openFiles),
    stateDirectory: state.path,
    key: tunnelKey(key),
    log,
  });
  const secrets = new Secrets(store, seal);
  const tokens = new Tokens(store);
  const apps = new Apps(store);
  const identity = new Identity({ stateDirectory: state.path, issuer: () => config.issuer ?? url });
  const gpus = new Gpus(config.cdiDirectories);
  const levels = new IsolationLevels(parts.engines, stopping.signal);
  const creations = new Slots(config.maxCreating);
  const pool = new WarmPool({
    levels,
    runDirectory: state.run,
    size: config.poolSize,
    log,
    stopping: stopping.signal,
  });
  const measured = metrics({
    counts: () => sandboxes.counts(),
    creations,
    readySlots: parts.readySlots,
    readySandboxes: (isolation) => pool.count(isolation),
    tunnels: () => tunnels.figures(),
  });
  const imageDirectory = join(state.path, "store");
  const layers = new LayerStore(imageDirectory, parts.run, parts.launcherBinary);
  const catalogue = new Catalogue({ store, layers, base: parts.images, inUse: () => sandboxes.imagesInUse() });
  const sized = (name: string, isKept: boolean) =>
    new SizedDirectories({ layers, directory: join(imageDirectory, name), isKept });
  const volumes = new Volumes({
    store,
    layers,
    catalogue,
    shared: sized("volumes", true),
    defaultLimitBytes: config.defaultVolumeBytes,
    log,
    stopping: stopping.signal,
  });
  const mounts = new VolumeMounts({ store, layers, volumes, copies: sized("volume-copies", false) });
  const context: Context = {
    config,
    state,
    store,
    levels,
    images: catalogue,
    expireImages: (now) => images.expire(now),
    secrets,
    outboundSecrets: new OutboundSecrets(secrets, join(state.path, "certificates", "sandboxes")),
    volumes: mounts,
    seal,
    identity,
    gpus,
    machine,
    creations,
    pool,
    tunnels,
    observer: measured,
    log,
    stopping: stopping.signal,
    wake: () => sandboxes.wake(),
  };
  const sandboxes = new Sandboxes(context);
  const processes = new SandboxProcesses(sandboxes, context);
  const networkLog = new NetworkLog({ store, sandboxes, source: parts.traffic });
  const images = new ImageService({
    store,
    directory: imageDirectory,
    run: parts.run,
    layers,
    catalogue,
    sandboxes,
    processes,
    log,
    stopping: stopping.signal,
    map: config.imageMap,
    secret: (name) => secrets.environment([name]),
  });
  tokens.ensureLocal(state.path);
  const ownName = config.issuer === undefined ? undefined : new URL(config.issuer).hostname;
  const admitted = admission(config.listen.host, ownName, (token) => tokens.isValid(token));
  const collect = gc(sandboxes, context, async (signal) => [
    ...(await parts.sweep(signal)),
    ...(await images.sweep()),
    ...(await volumes.sweep()),
    ...(await mounts.sweep()),
  ]);
  // What an earlier daemon had begun and not stored when it died belongs to no sandbox.
  const adopted = sandboxes.adopt(async () => {
    const found = await collect(false, stopping.signal);
    if (found.length > 0) log.warn({ found }, "removed what an earlier server left behind");
  });
  adopted.then(
    () => pool.fill(),
    () => undefined,
  );
  const committing = backgroundCommits({ sandboxes, store, mounts, volumes, log, stopping: stopping.signal });
  // Only then is it known which layers sandboxes stand on.
  const merging = adopted.then(
    () => images.merges.run(),
    () => undefined,
  );
  const settled = adopted.then(() => images.endLeftBuilds());
  settled.catch((error: unknown) => {
    if (!stopping.signal.aborted) log.error({ err: error }, "cannot take up everything of an earlier server");
  });
  const volumeFiles = new VolumeFiles(volumes);
  let url = "";
  const files = new Files(sandboxes, stopping.signal);
  const app = edge({
    admission: admitted,
    log,
    stopping: stopping.signal,
    handlers: {
      ...serverHandlers({
        version: packageJson.version,
        startedAt,
        sandboxes,
        levels,
        gpus,
        diskStore: parts.diskStore,
        metrics: measured,
        gc: (isDryRun, signal) => adopted.then(() => collect(isDryRun, signal)),
        address: () => url,
      }),
      ...diskHandlers(new DiskSurvey({ store, catalogue, state, directory: imageDirectory })),
      ...identityHandlers(identity),
      ...appHandlers(apps),
      ...sandboxHandlers(sandboxes),
      ...processHandlers(processes),
      ...fileHandlers(files),
      ...imageHandlers(images),
      ...volumeHandlers({ volumes, files: volumeFiles, mounts, sandboxes }),
      ...secretHandlers(secrets),
      ...tokenHandlers(tokens),
      ...tunnelHandlers(tunnels, sandboxes),
      ...networkLogHandlers(networkLog),
    },
  });
  serveTerminals(app.server, { processes, admission: admitted, log, stopping: stopping.signal });
  const signed = new SignedTokens(key);
  const modalCore = {
    apps,
    environments: new Environments({ store, catalogue, secrets, volumes, sandboxes }),
    sandboxes,
    processes,
    files,
    openFiles: store.openFiles,
    images,
    secrets,
    volumes,
    volumeFiles,
    volumeMounts: mounts,
    tokens,
    tunnels,
    signed,
    stopping: stopping.signal,
  };
  app.register(transferRoutes(modalCore));
  const dialect = modalDialect(modalCore, admitted.checkOrigin);
  const grpc = grpcServer({ find: dialect, log, stopping: stopping.signal, others: overHttp2(app) });
  sharePort({
    http1: app.server,
    http2: grpc.server,
    pair: encryption(config, state.path, log),
    allowsPlaintext: config.tls.allowsPlaintext,
  });
  await app.listen({ ...config.listen });
  url = urlOf(app.server.address() as AddressInfo);
  state.publish({ pid: process.pid, url, version: packageJson.version, startedAt });
  log.info({ url, stateDirectory: state.path }, "listening");
  return {
    url,
    version: packageJson.version,
    adopted,
    hasSandboxes: () => !sandboxes.isEmpty,
    stop: async () => {
      stopping.abort(new Error("the server is stopping"));
      // Waits are answered now; a client that does not take its answer is not waited for.
      const timer = setTimeout(() => app.server.closeAllConnections(), lastAnswersMs);
      await Promise.all([app.close(), grpc.close(lastAnswersMs)]);
      clearTimeout(timer);
      await adopted.catch(() => undefined);
      await images.builds.stop();
      await images.pulls.stop();
      await images.pushes.stop();
      await tunnels.close();
      await committing;
      await merging;
      await volumes.stop();
      await sandboxes.stop();
      await pool.close();
      await levels.statuses(); // a check that is under way removes what it made
      measured.close();
      store.close();
    },
  };
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

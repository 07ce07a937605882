/** The daemon within the test's process, with the plain engine. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { configFrom } from "../../src/config.ts";
import { onlyBaseImage } from "../../src/sandboxes/image.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { takeStateDirectory } from "../../src/state-directory.ts";
import { TestClient } from "./client.ts";
import { type PlainEngineOptions, plainEngine, strayHolders } from "./plain-engine.ts";
import { temporaryDirectory, undoAfter } from "./state.ts";

export interface TestServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly engine?: PlainEngineOptions;
  readonly directory?: string;
}

export interface TestServer {
  readonly client: TestClient;
  readonly server: RunningServer;
  readonly directory: string;
  /** Stops it as SIGTERM does. */
  stop(): Promise<void>;
}

export async function testServer(t: TestContext, options: TestServerOptions = {}): Promise<TestServer> {
  const directory = options.directory ?? temporaryDirectory(t);
  const state = takeStateDirectory(directory);
  const engine = plainEngine(options.engine);
  const server = await startServer({
    config: configFrom({
      ATOLL_STATE_DIR: directory,
      ATOLL_CDI_DIRS: join(directory, "cdi"),
      ATOLL_POOL: "0",
      ...options.env,
    }),
    state,
    engines: new Map([[engine.isolation, engine]]),
    images: onlyBaseImage(async () => ({ layers: [], environment: { FROM_IMAGE: "yes" } })),
    run: async () => Promise.reject(new Error("these tests make no layers")),
    sweep: async () => strayHolders(state.run, (key) => engine.keys.has(key)),
    readySlots: () => 0,
    traffic: { settle: async () => undefined, onTraffic: () => undefined },
    launcherBinary: "/nonexistent",
    diskStore: { directory: "/nonexistent", kind: "plain" },
    log: pino({ level: "silent" }),
  });
  const client = new TestClient(server.url, readFileSync(join(directory, "token"), "utf8").trim());
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    await server.stop();
    state.release();
  };
  undoAfter(t, async () => {
    if (!isStopped) await client.terminateAll();
    await stop();
  });
  return { client, server, directory, stop };
}

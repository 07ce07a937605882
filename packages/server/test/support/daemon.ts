/** The daemon with the plain engine, as a process of its own: `node daemon.ts` with the environment of main.ts. */
import { pino } from "pino";
import { configFrom } from "../../src/config.ts";
import { onlyBaseImage } from "../../src/sandboxes/image.ts";
import { startServer } from "../../src/server.ts";
import { takeStateDirectory } from "../../src/state-directory.ts";
import { plainEngine, strayHolders } from "./plain-engine.ts";

const config = configFrom(process.env);
const state = takeStateDirectory(config.stateDirectory);
const engine = plainEngine();
const server = await startServer({
  config,
  state,
  engines: new Map([[engine.isolation, engine]]),
  images: onlyBaseImage(async () => ({ layers: [], environment: {} })),
  run: async () => Promise.reject(new Error("these tests make no layers")),
  sweep: async () => strayHolders(state.run, (key) => engine.keys.has(key)),
  readySlots: () => 0,
  traffic: { settle: async () => undefined, onTraffic: () => undefined },
  launcherBinary: "/nonexistent",
  diskStore: { directory: "/nonexistent", kind: "plain" },
  log: pino({ level: config.logLevel }),
});
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    await server.stop();
    state.release();
    process.exit(0);
  });
}

/** The daemon as a process that can be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TestClient } from "./client.ts";
import { temporaryDirectory, undoAfter } from "./state.ts";

const daemonFile = fileURLToPath(new URL("./daemon.ts", import.meta.url));

export interface DaemonProcess {
  readonly directory: string;
  readonly client: TestClient;
  readonly pid: number;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Asks it to stop, and settles with its exit code. */
  stop(): Promise<number | null>;
}

export async function daemonProcess(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<DaemonProcess> {
  const directory = temporaryDirectory(t);
  let running = await start(directory, env);
  const daemon = {
    directory,
    get client() {
      return running.client;
    },
    get pid() {
      return running.child.pid ?? 0;
    },
    kill: async () => {
      running.child.kill("SIGKILL");
      await ended(running.child);
    },
    restart: async () => {
      running = await start(directory, env);
    },
    stop: async () => {
      running.child.kill("SIGTERM");
      await ended(running.child);
      return running.child.exitCode;
    },
  };
  undoAfter(t, async () => {
    if (hasEnded(running.child)) await daemon.restart();
    await running.client.terminateAll();
    await daemon.stop();
  });
  return daemon;
}

async function start(directory: string, env: Readonly<Record<string, string>>) {
  // One that was killed has left it behind.
  rmSync(join(directory, "server.json"), { force: true });
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", daemonFile], {
    env: { PATH: process.env.PATH, ATOLL_STATE_DIR: directory, ATOLL_LOG_LEVEL: "error", ATOLL_POOL: "0", ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  while (!existsSync(join(directory, "server.json"))) {
    if (hasEnded(child)) throw new Error(`the daemon ended with ${child.exitCode}`);
    await sleep(10);
  }
  const { url } = JSON.parse(readFileSync(join(directory, "server.json"), "utf8"));
  return { child, client: new TestClient(url, readFileSync(join(directory, "token"), "utf8").trim()) };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function ended(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, "exit");
}

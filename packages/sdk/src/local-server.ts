/** The machine's own server: finding it in its state directory, and starting it. The only file that needs Node's modules. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep } from "./abort.ts";
import { type Endpoint, environment } from "./endpoint.ts";
import { ConnectionError } from "./errors.ts";

/** The first start makes the base image, which takes a minute or two on a slow machine. */
const startLimitMs = 15 * 60_000;
const healthLimitMs = 2_000;
/** How much of what the start command said is kept for the error. */
const keptCharacters = 4_000;

/** The running server of this machine, started if there is none. */
export async function findOrStartServer(): Promise<Endpoint> {
  const running = await readServerFile();
  if (running && (await answers(running))) return running;
  await startServer();
  return waitForServer();
}

/** What the state directory says of the server; undefined when none is said to run. */
export async function readServerFile(): Promise<Endpoint | undefined> {
  const directory = stateDirectory();
  const described = await readIfPresent(join(directory, "server.json"));
  const url = described === undefined ? undefined : serverUrl(described);
  if (url === undefined) return undefined;
  const token = await readIfPresent(join(directory, "token"));
  return { baseUrl: url, token: token?.trim() };
}

/** The file may be seen half-written by a server that is just starting. */
function serverUrl(described: string): string | undefined {
  try {
    const url: unknown = JSON.parse(described)?.url;
    return typeof url === "string" ? url.replace(/\/+$/, "") : undefined;
  } catch {
    return undefined;
  }
}

function stateDirectory(): string {
  return environment().ATOLL_STATE_DIR || "/var/lib/atoll";
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConnectionError(`cannot read ${path}`, {
      code: "connection_failed",
      hint: "Run as the user who started the server, or set ATOLL_URL and ATOLL_TOKEN.",
      cause,
    });
  }
}

async function answers(endpoint: Endpoint): Promise<boolean> {
  try {
    const response = await fetch(`${endpoint.baseUrl}/healthz`, { signal: AbortSignal.timeout(healthLimitMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Left behind by a server that was killed, or one that is on its way out: the caller starts another.
    return false;
  }
}

function startCommand(): string {
  const checkout = fileURLToPath(new URL("../../../atoll", import.meta.url));
  return environment().ATOLL_COMMAND || (existsSync(checkout) ? checkout : "atoll");
}

/** Runs `atoll serve --detach`, which returns once a server runs in the background. */
function startServer(): Promise<void> {
  const command = startCommand();
  return new Promise((resolve, reject) => {
    // Not spawn's own timeout: Node 20 keeps that running after a program that was not found.
    const signal = AbortSignal.timeout(startLimitMs);
    const child = spawn(command, ["serve", "--detach"], { stdio: ["ignore", "pipe", "pipe"], signal });
    let said = "";
    const keep = (text: string) => {
      said = (said + text).slice(-keptCharacters);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.once("error", (cause) => reject(cannotStart(command, said, cause)));
    // "exit" and not "close": the background server may hold the pipes open.
    child.once("exit", (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) resolve();
      else reject(cannotStart(command, said, undefined));
    });
  });
}

async function waitForServer(): Promise<Endpoint> {
  const deadline = Date.now() + 30_000;
  for (let pauseMs = 10; Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 500)) {
    const running = await readServerFile();
    if (running && (await answers(running))) return running;
    await sleep(pauseMs, undefined);
  }
  throw cannotStart(startCommand(), "it was started, but does not answer", undefined);
}

function cannotStart(command: string, said: string, cause: unknown): ConnectionError {
  const detail = said.trim();
  return new ConnectionError(`cannot start the Atoll server with \`${command} serve\`${detail ? `: ${detail}` : ""}`, {
    code: "connection_failed",
    hint: "Run `atoll doctor` to see what is missing, or set ATOLL_URL and ATOLL_TOKEN to use another server.",
    cause,
  });
}

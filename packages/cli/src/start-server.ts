/** Setting this machine up and starting its server in the background. */
import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CliError } from "./errors.ts";
import { isAlive, runningServer, type ServerFile, serverLog, stateDirectory } from "./state.ts";

export const serverMain = fileURLToPath(new URL("../../server/src/main.ts", import.meta.url));
const setupMain = fileURLToPath(new URL("../../server/src/setup/main.ts", import.meta.url));
/** From the start of the process until it answers; making the base image is set-up's part. */
const startLimitMs = 60_000;
const pollMs = 15;

/** As node itself was started, so that a child prints no more warnings than we do. */
export const nodeFlags = ["--disable-warning=ExperimentalWarning"];

/** Installs what is missing. Shows its progress on stderr. */
export async function setUp(signal: AbortSignal): Promise<void> {
  const argv = [...nodeFlags, setupMain, "setup", "--state-dir", stateDirectory()];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end);
  try {
    const exitCode = await exitOf(child);
    signal.throwIfAborted();
    if (exitCode !== 0) throw new SetUpFailed();
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Set-up has said on stderr what is wrong. */
export class SetUpFailed extends CliError {
  constructor() {
    super("setup_failed", "cannot set this machine up", "Read the message above; atoll doctor shows what is missing.");
  }
}

/** What the doctor of this machine found, as JSON. */
export async function examineMachine(signal: AbortSignal): Promise<string> {
  const argv = [...nodeFlags, setupMain, "doctor", "--state-dir", stateDirectory()];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"], signal });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  if ((await exitOf(child)) === 0) return output;
  throw new CliError("doctor_failed", "cannot examine this machine", "Read the message above.");
}

function exitOf(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** The server of this state directory, if it answers: its process id may belong to another program by now. */
export async function answeringServer(): Promise<ServerFile | undefined> {
  const server = runningServer();
  return server && (await answers(server)) ? server : undefined;
}

/** Starts the server unless one runs, and waits until it answers. */
export async function startServer(signal: AbortSignal, listen?: string): Promise<ServerFile> {
  await setUp(signal);
  const log = openLog();
  const logStart = fstatSync(log).size;
  const child = spawn(process.execPath, [...nodeFlags, serverMain], {
    detached: true,
    stdio: ["ignore", log, log],
    env: serverEnvironment(listen),
    cwd: "/",
  });
  closeSync(log);
  // Of two starts at once one server gives way to the other; either will do.
  const deadline = performance.now() + startLimitMs;
  try {
    while (performance.now() < deadline) {
      const server = await answeringServer();
      if (server) return server;
      if (child.exitCode !== null && !(await sleepThenLook(signal))) throw couldNotStart(logStart);
      await sleep(pollMs, undefined, { signal });
    }
    throw couldNotStart(logStart);
  } finally {
    child.unref();
  }
}

/** A server that gave way exits before the other one has written where it listens. */
async function sleepThenLook(signal: AbortSignal): Promise<ServerFile | undefined> {
  await sleep(1000, undefined, { signal });
  return answeringServer();
}

export function serverEnvironment(listen: string | undefined): NodeJS.ProcessEnv {
  // ATOLL_URL and ATOLL_TOKEN are a client's; the server has no use for a token.
  const { ATOLL_URL: _url, ATOLL_TOKEN: _token, ...rest } = process.env;
  return { ...rest, ATOLL_STATE_DIR: stateDirectory(), ...(listen ? { ATOLL_LISTEN: listen } : {}) };
}

function openLog(): number {
  mkdirSync(stateDirectory(), { recursive: true, mode: 0o700 });
  mkdirSync(dirname(serverLog()), { recursive: true, mode: 0o700 });
  return openSync(serverLog(), "a", 0o600);
}

async function answers(server: ServerFile): Promise<boolean> {
  if (!isAlive(server.pid)) return false;
  try {
    return (await fetch(`${server.url}/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    // It has written where it will listen, and does not listen yet.
    return false;
  }
}

function couldNotStart(logStart: number): CliError {
  const said = readFileSync(serverLog()).subarray(logStart).toString("utf8").trim().split("\n").slice(-8);
  const detail = said.map((line) => messageIn(line)).join("\n  ");
  return new CliError(
    "server_not_started",
    `cannot start the server${detail ? `:\n  ${detail}` : ""}`,
    `Its log is ${serverLog()}; atoll doctor shows what is missing, atoll serve runs it in the foreground.`,
  );
}

/** The log is one JSON object a line; what a person wants to read of it is `msg`. */
function messageIn(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter(Boolean).join(": ") || line;
  } catch {
    // Written before logging was set up, or by node itself.
    return line;
  }
}

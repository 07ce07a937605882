import { setTimeout as sleep } from "node:timers/promises";
import { Client, Sandbox } from "@atoll/sdk";
import { CliError } from "../errors.ts";
import { runningLauncher } from "../launcher.ts";
import { withNotice } from "../notice.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { answeringServer, startServer } from "../start-server.ts";
import { isAlive, serverLog } from "../state.ts";
import { defineVerb } from "../verb.ts";

const limitMs = 30_000;
const pollMs = 20;

export const stop = defineVerb({
  usage: "",
  description:
    "Terminates all sandboxes of this machine's server and stops it, also those of a server that was killed.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    // Sandboxes outlive a server that was ended or killed; only a server knows how to end them.
    const server = (await answeringServer()) ?? (runningLauncher() ? await startServer(signal) : undefined);
    const terminated = server ? await withNotice("stopping the server", stopServer(server.pid, signal)) : [];
    if (values.json) await printJson({ pid: server?.pid ?? null, terminated });
    else await printLine(server ? `stopped the server; sandboxes terminated: ${terminated.length}` : "no server runs");
    return 0;
  },
});

async function stopServer(pid: number, signal: AbortSignal): Promise<string[]> {
  const terminated = await terminateAll(signal);
  process.kill(pid, "SIGTERM");
  await untilGone("the server", pid, signal);
  const launcher = runningLauncher();
  if (launcher === undefined) return terminated;
  process.kill(launcher, "SIGTERM");
  await untilGone("the launcher", launcher, signal);
  return terminated;
}

async function untilGone(what: string, pid: number, signal: AbortSignal): Promise<void> {
  for (const deadline = performance.now() + limitMs; performance.now() < deadline; ) {
    if (!isAlive(pid)) return;
    await sleep(pollMs, undefined, { signal });
  }
  throw new CliError(
    "not_stopped",
    `cannot stop ${what}: process ${pid} goes on`,
    `The server's log is ${serverLog()}.`,
  );
}

async function terminateAll(signal: AbortSignal): Promise<string[]> {
  // This machine's server, wherever ATOLL_URL points to.
  delete process.env.ATOLL_URL;
  const client = new Client();
  const running: Sandbox[] = [];
  for await (const sandbox of Sandbox.list({ client, signal })) running.push(sandbox);
  await Promise.all(running.map((sandbox) => sandbox.terminate({ signal })));
  return running.map(({ id }) => id);
}

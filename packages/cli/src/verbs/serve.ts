import process from "node:process";
import { CliError } from "../errors.ts";
import { flag, one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { answeringServer, nodeFlags, serverEnvironment, serverMain, setUp, startServer } from "../start-server.ts";
import type { ServerFile } from "../state.ts";
import { defineVerb } from "../verb.ts";

export const serve = defineVerb({
  usage: "",
  description:
    "Sets this machine up if need be and runs its server: in the foreground, logging to stdout, until Ctrl-C; or with --detach\n" +
    "in the background, logging to log/server.log in the state directory (turned over at 32 MiB, to server.log.1). Ending the server\n" +
    "leaves its sandboxes running for the next one; atoll stop ends them too.",
  options: {
    detach: flag("Return once the server answers, and print its address.", "d"),
    listen: one("HOST:PORT", "Where to listen; a free port of 127.0.0.1 when absent, or ATOLL_LISTEN.", text),
    json,
  },
  arguments: [0, 0],
  examples: ["atoll serve --detach", "atoll serve --listen 127.0.0.1:7070"],
  async run({ values, signal }) {
    const running = await answeringServer();
    if (!values.detach) return serveHere(running, values.listen, signal);
    if (running && values.listen) throw alreadyRuns(running);
    const server = running ?? (await startServer(signal, values.listen));
    if (values.json) await printJson(server);
    else await printLine(server.url);
    return 0;
  },
});

async function serveHere(running: ServerFile | undefined, listen: string | undefined, signal: AbortSignal) {
  if (running) throw alreadyRuns(running);
  await setUp(signal);
  if (!process.execve) throw new CliError("no_execve", "cannot become the server on this system", "Use --detach.");
  // The server takes this process's place, so that signals and the exit code are its own.
  return process.execve(process.execPath, [process.execPath, ...nodeFlags, serverMain], plainEnvironment(listen));
}

function plainEnvironment(listen: string | undefined): Record<string, string> {
  const entries = Object.entries(serverEnvironment(listen));
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

function alreadyRuns({ pid, url }: ServerFile): CliError {
  return new CliError(
    "already_running",
    `cannot serve: process ${pid} serves this state directory already, at ${url}`,
    "Stop it with atoll stop, or set ATOLL_STATE_DIR to another directory.",
  );
}

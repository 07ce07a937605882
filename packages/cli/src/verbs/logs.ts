import { type Client, OutputReader, Sandbox } from "@atoll/sdk";
import { copyStream } from "../attach.ts";
import { connect } from "../connect.ts";
import { UsageError } from "../errors.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { networkLogCells, networkLogHead } from "../network-log.ts";
import { flag, integer, one, text, type Values } from "../option.ts";
import { json } from "../options.ts";
import { paint, printJson, printTable, write } from "../print.ts";
import { duration } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

const options = {
  follow: flag("Go on as it writes, until it has ended.", "f"),
  stdout: flag("Only stdout."),
  stderr: flag("Only stderr."),
  process: one("ID", "A process started by exec instead of the sandbox's own command.", text),
  offset: one("BYTES", "Begin at this byte of each stream.", integer),
  tail: one("LINES", "Only the last lines.", integer, { short: "n" }),
  since: one("WHEN", "Only what was written since: 10m ago, or at a date as 2026-01-31T12:00:00Z.", instant),
  until: one("WHEN", "Only what was written before.", instant),
  search: one("TEXT", "Only lines that have this in them.", text),
  network: flag("Instead: what it reached by name, and what it was refused and why, the latest first."),
  timestamps: flag("Begin each line with the time at which it came.", "t"),
  json,
};
type LogValues = Values<typeof options>;
type StreamName = "stdout" | "stderr";
/** The server's own limit. */
const mostLines = 20_000;

interface Source {
  readonly client: Client;
  readonly sandboxId: string;
  readonly processId: string;
  readonly signal: AbortSignal;
}

export const logs = defineVerb({
  usage: "SANDBOX",
  description:
    "Prints what a sandbox's own command, or a process started by exec, has written: its stdout on stdout, its stderr on stderr.",
  options,
  arguments: [1, 1],
  examples: [
    "atoll logs -f web",
    "atoll logs --stderr web 2>errors.txt",
    "atoll logs --tail 20 -f web",
    "atoll logs --network web",
    "atoll logs --since 10m --search error -t web",
  ],
  async run({ values, positionals: [given = ""], signal }) {
    check(values);
    const client = await connect(signal);
    const sandboxId = await findSandboxId(client, given, signal);
    if (values.network) return await printNetworkLog(client, sandboxId, values, signal);
    const source = { client, sandboxId, processId: values.process ?? "main", signal };
    if (!isByLine(values)) await copyBytes(source, values, values.offset ?? 0, values.offset ?? 0);
    else {
      const { stdoutBytes, stderrBytes } = await printLines(source, values);
      if (values.follow) await copyBytes(source, values, stdoutBytes, stderrBytes);
    }
    return 0;
  },
});

async function printNetworkLog(client: Client, id: string, values: LogValues, signal: AbortSignal): Promise<number> {
  const entries = await (await Sandbox.fromId(id, { client, signal })).network.log({ signal });
  if (values.json) await printJson(entries);
  else await printTable(networkLogHead, entries.map(networkLogCells));
  return 0;
}

function isByLine({ tail, since, until, search, timestamps, json: asJson }: LogValues): boolean {
  return timestamps || asJson || [tail, since, until, search].some((value) => value !== undefined);
}

function check(values: LogValues): void {
  const { network, json: _asJson, ...others } = values;
  if (network && Object.values(others).some((value) => value !== undefined && value !== false))
    throw new UsageError(
      "cannot choose among output and print the log of the network",
      "With --network, use --json alone.",
    );
  if (values.offset !== undefined && isByLine(values))
    throw new UsageError("cannot choose lines and begin at a byte", "Leave out --offset.");
  if (values.follow && (values.timestamps || values.json || values.until || values.search))
    throw new UsageError("cannot follow and choose lines", "With --follow, use --tail or --since alone.");
  if ((values.tail ?? 1) < 1 || (values.tail ?? 1) > mostLines)
    throw new UsageError(`cannot print the last ${values.tail} lines`, `Name 1 to ${mostLines}.`);
}

async function printLines({ client, signal, ...params }: Source, values: LogValues) {
  const [stream, both] = wanted(values);
  const { since, until, search, tail: limit = mostLines } = values;
  const query = { stream: both ? undefined : stream, since, until, search, limit };
  const { items, ...offsets } = await client.request("readLog", { params, query, signal });
  if (values.json) await printJson(items);
  else {
    for (const { at, stream: name, text: line } of items) {
      await write(process[name], values.timestamps ? `${paint("dim", at, process[name])} ${line}` : line);
    }
  }
  return offsets;
}

async function copyBytes(source: Source, values: LogValues, stdoutOffset: number, stderrOffset: number): Promise<void> {
  const { signal, client, ...params } = source;
  await Promise.all(
    wanted(values).map(async (stream) => {
      const offset = stream === "stdout" ? stdoutOffset : stderrOffset;
      if (values.follow)
        return await copyStream(new OutputReader({ client, ...params, stream }, offset), process[stream], signal);
      const query = { offset, follow: false };
      const { body } = await client.open("readOutput", { params: { ...params, stream }, query, signal });
      for await (const chunk of body ?? []) await write(process[stream], chunk);
    }),
  );
}

function wanted(values: LogValues): StreamName[] {
  return (["stdout", "stderr"] as const).filter((stream) => values[stream] || !(values.stdout || values.stderr));
}

/** A date, or how long ago. */
function instant(given: string): string {
  const date = /^\d{4}-/.test(given) ? new Date(given) : new Date(Date.now() - duration(given));
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new UsageError(`cannot read ${JSON.stringify(given)} as a time`, "Write it as 10m or 2026-01-31T12:00:00Z.");
}

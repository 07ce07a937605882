import { Sandbox, type SandboxInfo, type Tunnel } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { describePolicy } from "../network-policy.ts";
import { json } from "../options.ts";
import { paint, plain, printJson, printLine, printPairs } from "../print.ts";
import { formatBytes, formatDuration } from "../quantity.ts";
import { describeResult, endedBecause } from "../result.ts";
import { timelineLines } from "../timeline.ts";
import { defineVerb } from "../verb.ts";

export const inspect = defineVerb({
  usage: "SANDBOX",
  description:
    "Shows what a sandbox is, how it ended, and when what happened: why it was slow, or why it failed, is in the timeline.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const id = await findSandboxId(client, given, signal);
    const sandbox = await Sandbox.fromId(id, { client, signal });
    const info = sandbox.lastInfo;
    if (values.json) {
      await printJson(info);
      return 0;
    }
    // Asking waits for one that is still starting.
    const tunnels = info.state === "running" ? await sandbox.tunnels({ signal }) : {};
    await printPairs(describe(info, tunnels));
    await printLine(`\n${paint("bold", "Timeline")}`);
    for (const line of timelineLines(info.timeline)) await printLine(line);
    return 0;
  },
});

function describe(info: SandboxInfo, tunnels: Readonly<Record<number, Tunnel>>): [string, string | undefined][] {
  return [
    ["Id", info.id],
    ["Name", info.name],
    ["App", info.app],
    ["State", info.state],
    ["Result", info.result && describeResult(info.result)],
    ["Because", info.result && endedBecause(info.result)],
    ["Isolation", info.isolation],
    ["Image", info.image],
    ["Command", plain(info.command.map(quoted).join(" ")) || undefined],
    ["Workdir", info.workdir],
    ["User", info.user],
    ["Terminal", info.pty && `${info.pty.cols}x${info.pty.rows}`],
    [
      "Tags",
      Object.entries(info.tags)
        .map(([key, value]) => `${key}=${plain(value)}`)
        .join(" ") || undefined,
    ],
    ["CPU", `${info.cpu} cores`],
    ["Memory", formatBytes(info.memoryBytes)],
    ["Disk", info.diskBytes === undefined ? undefined : formatBytes(info.diskBytes)],
    ["Processes", `at most ${info.pidsLimit}`],
    ["Open files", `at most ${info.openFilesLimit} a process`],
    ["GPUs", info.gpus?.join(" ")],
    ...(info.volumes ?? []).map(({ name, volumeId, path, readOnly, subPath }): [string, string] => [
      "Volume",
      `${name ?? volumeId}${subPath === undefined ? "" : `/${plain(subPath)}`} at ${plain(path)}${readOnly ? ", read-only" : ""}`,
    ]),
    ["Network", describePolicy(info)],
    ["Private network", info.network],
    ["Address", info.address],
    ...portsOf(info).map(([port, how]): [string, string] => [
      "Port",
      [`${port}, ${how}`, tunnels[port] && `at ${tunnels[port].url}`].filter(Boolean).join(", "),
    ]),
    ["Let in", info.inboundCidrAllowlist?.join(" ")],
    ["Time limit", formatDuration(info.timeoutMs)],
    ["Idle limit", info.idleTimeoutMs === undefined ? undefined : formatDuration(info.idleTimeoutMs)],
    ["Created", info.createdAt],
    ["Deadline", info.state === "finished" ? undefined : info.deadlineAt],
    ["Finished", info.finishedAt],
  ];
}

function portsOf({ encryptedPorts = [], h2Ports = [], unencryptedPorts = [] }: SandboxInfo): [number, string][] {
  return [
    ...encryptedPorts.map((port): [number, string] => [port, "over TLS"]),
    ...h2Ports.map((port): [number, string] => [port, "over TLS with HTTP/2"]),
    ...unencryptedPorts.map((port): [number, string] => [port, "over TLS and plain TCP"]),
  ];
}

/** As a shell would need it written. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

import { Client, type Status } from "@atoll/sdk";
import { json } from "../options.ts";
import { paint, plain, printJson, printLine, printPairs } from "../print.ts";
import { examineMachine } from "../start-server.ts";
import { runningServer } from "../state.ts";
import { defineVerb } from "../verb.ts";

export const doctor = defineVerb({
  usage: "",
  description:
    "Says of each thing Atoll needs whether it is there, in which version, or what to do. Each isolation level is tried with a\n" +
    "real sandbox by a running server. Changes nothing. Exits with 1 when something needed is missing.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const report = JSON.parse(await examineMachine(signal)) as Report;
    const server = runningServer() ? await new Client().request("status", { signal }) : undefined;
    const isHealthy = report.requirements.every(({ isFound, isOptional }) => isFound || isOptional);
    const canIsolate = server === undefined || server.isolations.some(({ available }) => available);
    if (values.json)
      await printJson({
        ...report,
        isolations: server?.isolations ?? null,
        gpus: server?.gpus ?? null,
        disks: server?.disks ?? null,
      });
    else await printReport(report, server);
    return isHealthy && canIsolate ? 0 : 1;
  },
});

/** What setup's doctor prints; see packages/server/src/setup/doctor.ts. */
interface Report {
  readonly requirements: readonly RequirementReport[];
  readonly machine: readonly { readonly name: string; readonly value: string }[];
}

interface RequirementReport {
  readonly name: string;
  readonly why: string;
  readonly isOptional: boolean;
  readonly isFound: boolean;
  readonly version?: string;
  readonly path?: string;
  readonly detail?: string;
  readonly todo?: string;
}

async function printReport({ requirements, machine }: Report, server: Status | undefined): Promise<void> {
  await printLine(paint("bold", "Requirements"));
  const width = Math.max(...requirements.map(({ name }) => name.length));
  for (const requirement of requirements) await printLine(requirementLine(requirement, width));
  await printLine(`\n${paint("bold", "Isolation levels")}`);
  for (const line of isolationLines(server)) await printLine(line);
  await printLine(`\n${paint("bold", "Machine")}`);
  await printPairs(machine.map(({ name, value }) => [`  ${name}`, plain(value)]));
  if (server)
    await printPairs([
      ["  GPUs", server.gpus.join(" ") || "none"],
      ["  disks", disksLine(server.disks)],
    ]);
}

function requirementLine(found: RequirementReport, width: number): string {
  const { name, why, isFound, isOptional, version, path, detail, todo } = found;
  if (isFound) return `  ${paint("green", "ok")}  ${name.padEnd(width)}  ${[version, path].filter(Boolean).join("  ")}`;
  const mark = isOptional ? paint("yellow", "--") : paint("red", "no");
  return `  ${mark}  ${name.padEnd(width)}  needed for ${why}: ${plain(detail ?? "")}\n${" ".repeat(width + 8)}${todo}`;
}

function disksLine({ kind, reason }: Status["disks"]): string {
  if (kind === "plain")
    return `plain: a snapshot stands its sandbox still for as long as the copy takes (${plain(reason ?? "")})`;
  return kind === "image" ? "reflinks, on an XFS of their own (store/disks.xfs)" : "reflinks, in the state directory";
}

function isolationLines(server: Status | undefined): string[] {
  if (!server) return ["  not tried, as no server runs: atoll serve --detach, then atoll doctor again"];
  const width = Math.max(...server.isolations.map(({ isolation }) => isolation.length));
  return server.isolations.map(({ isolation, available, detail }) => {
    const mark = available ? paint("green", "ok") : paint("red", "no");
    const isDefault = isolation === server.defaultIsolation ? " (default)" : "";
    return `  ${mark}  ${isolation.padEnd(width)}  ${plain(detail)}${isDefault}`;
  });
}

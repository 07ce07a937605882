import { Client, type Status } from "@atoll/sdk";
import { json } from "../options.ts";
import { paint, plain, printJson, printLine, printPairs } from "../print.ts";
import { runningServer, stateDirectory } from "../state.ts";
import { defineVerb } from "../verb.ts";

export const status = defineVerb({
  usage: "",
  description:
    "Shows the server's process, address, version, sandboxes and isolation levels. Never starts one: exits with 1 when none runs.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    if (!process.env.ATOLL_URL && !runningServer()) {
      if (values.json) await printJson(null);
      else await printLine(`no server runs for ${stateDirectory()}; atoll serve --detach starts one`);
      return 1;
    }
    const answer = await new Client().request("status", { signal });
    if (values.json) await printJson(answer);
    else await printPairs(describe(answer));
    return 0;
  },
});

function describe(answer: Status): [string, string | undefined][] {
  const { queued, starting, running, finished } = answer.sandboxes;
  return [
    ["Version", answer.version],
    ["Process", String(answer.pid)],
    ["Address", answer.address],
    ["Started", answer.startedAt],
    ["Sandboxes", `${running} running, ${starting} starting, ${queued} queued, ${finished} finished`],
    ["Default isolation", answer.defaultIsolation ?? "none is available"],
    ...answer.isolations.map(({ isolation, available, detail }): [string, string] => [
      isolation,
      `${available ? paint("green", "available") : paint("red", "unavailable")}: ${plain(detail)}`,
    ]),
    ["GPUs", answer.gpus.join(" ") || undefined],
  ];
}

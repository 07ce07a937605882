import { PrivateNetwork, type PrivateNetworkInfo } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const networkLs = defineVerb({
  usage: "",
  description:
    "Lists private networks with their members, which reach each other by these names and addresses. A network is there for as long as a sandbox is in it.",
  options: { app: one("NAME", "Only those of this app.", text), json },
  arguments: [0, 0],
  examples: ["atoll create --network team-a --name db", "atoll network ls"],
  async run({ values, signal }) {
    const client = await connect(signal);
    const networks = await PrivateNetwork.list({ client, signal, app: values.app });
    if (values.json) await printJson(networks);
    else await printTable(["APP", "NETWORK", "NAME", "ADDRESS", "ID"], networks.flatMap(rows));
    return 0;
  },
});

function rows({ app, name: network, members }: PrivateNetworkInfo): string[][] {
  return members.map(({ sandboxId, name, address }) => [app, network, name ?? "-", address ?? "-", sandboxId]);
}

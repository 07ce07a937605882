import { Sandbox, type Tunnel } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { json } from "../options.ts";
import { printJson, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const tunnels = defineVerb({
  usage: "SANDBOX",
  description:
    "Shows where the ports of a sandbox are reached: those it was created with by --port, --h2-port and --unencrypted-port.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    const found = await sandbox.tunnels({ signal });
    if (values.json) await printJson(found);
    else {
      const rows = Object.entries(found).map(([port, tunnel]) => [port, tunnel.url, plainAddress(tunnel.toJSON())]);
      await printTable(["PORT", "URL", "TCP"], rows);
    }
    return 0;
  },
});

function plainAddress(info: Pick<ReturnType<Tunnel["toJSON"]>, "unencryptedHost" | "unencryptedPort">): string {
  return info.unencryptedPort === undefined ? "" : `${info.unencryptedHost}:${info.unencryptedPort}`;
}

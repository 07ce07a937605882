import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { integer, one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { duration } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const connectToken = defineVerb({
  usage: "SANDBOX",
  description:
    "Creates a token that opens a port of a sandbox over HTTPS, and prints a URL that carries it. Programs send the token as\n" +
    "`Authorization: Bearer TOKEN` instead; --json prints both.",
  options: {
    port: one("PORT", "Of the service in the sandbox; 8080 when absent.", integer),
    metadata: one("TEXT", "Reaches the service as the header X-Verified-User-Data.", text),
    ttl: one("DURATION", "How long the token is valid; 1h when absent.", duration),
    json,
  },
  arguments: [1, 1],
  examples: ["atoll connect-token web --port 8000 --ttl 10m"],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    const { port, metadata: userMetadata, ttl: ttlMs } = values;
    const created = await sandbox.createConnectToken({ port, userMetadata, ttlMs, signal });
    if (values.json) await printJson(created);
    else await printLine(`${created.url}/?_atoll_connect_token=${created.token}`);
    return 0;
  },
});

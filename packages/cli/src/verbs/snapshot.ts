import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { duration } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const snapshot = defineVerb({
  usage: "SANDBOX",
  description:
    "Makes an image of a running sandbox's files as they are at one instant, and prints its id. The sandbox goes on; its processes\n" +
    "stand still while what they wrote is copied.",
  options: {
    name: one("NAME", "Name of the image: NAME or NAME:TAG.", text),
    path: one("DIRECTORY", "Of this directory alone, which becomes the image's root.", text),
    ttl: one("DURATION", "Remove the image after this long, such as 24h, once nothing uses it.", duration),
    json,
  },
  arguments: [1, 1],
  examples: ["atoll run --image $(atoll snapshot my-sandbox) -- ls"],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const params = { sandboxId: await findSandboxId(client, given, signal) };
    const made = await client.request("snapshotSandbox", {
      params,
      body: { name: values.name, path: values.path, ttlMs: values.ttl },
      signal,
    });
    if (values.json) await printJson(made);
    else await printLine(made.image.id);
    return 0;
  },
});

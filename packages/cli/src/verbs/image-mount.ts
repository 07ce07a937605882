import { type Client, Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { UsageError } from "../errors.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { flag } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const imageMount = defineVerb({
  usage: "SANDBOX [IMAGE PATH]",
  description:
    "Mounts an image at a path of a running sandbox; the path is made when missing, and hidden when not. What is written there is gone\n" +
    "once it is unmounted. Given a sandbox alone, lists what is mounted.",
  options: { "read-only": flag("Have nothing written there."), json },
  arguments: [1, 3],
  examples: ["atoll image mount my-sandbox python:3.12 /opt/python", "atoll image mount my-sandbox"],
  async run({ values, positionals: [given = "", image, path], signal }) {
    if (image !== undefined && path === undefined)
      throw new UsageError("cannot tell where to mount it", "Give a sandbox, an image and a path; or a sandbox alone.");
    const client = await connect(signal);
    const params = { sandboxId: await findSandboxId(client, given, signal) };
    if (image === undefined || path === undefined) return await listMounts(client, params, values.json, signal);
    const body = { path, image, readOnly: values["read-only"] };
    const mounted = await client.request("mountImage", { params, body, signal });
    if (values.json) await printJson(mounted);
    else await printLine(plain(mounted.path));
    return 0;
  },
});

async function listMounts(client: Client, params: { sandboxId: string }, isJson: boolean, signal: AbortSignal) {
  const { items } = await client.request("listMounts", { params, signal });
  const row = ({ path, image = "-", readOnly }: (typeof items)[number]) => [plain(path), image, readOnly ? "ro" : "rw"];
  if (isJson) await printJson(items);
  else await printTable(["PATH", "IMAGE", "ACCESS"], items.map(row));
  return 0;
}

export const imageUnmount = defineVerb({
  usage: "SANDBOX PATH",
  description:
    "Unmounts an image from a running sandbox; what was written there is gone. One that is in use is not unmounted.",
  options: {},
  arguments: [2, 2],
  async run({ positionals: [given = "", path = ""], signal }) {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    await sandbox.unmountImage(path, { signal });
    return 0;
  },
});

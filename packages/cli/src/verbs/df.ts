import type { DiskUse } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printTable } from "../print.ts";
import { formatBytes } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const df = defineVerb({
  usage: "",
  description:
    "Shows what takes up the server's disk, and what gc and image prune could free. SIZE counts each layer once and leaves holes of\n" +
    "sparse files out; SHARED is the part in layers that several images or volumes have. The base image is not counted.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const use = await client.request("diskUse", { signal });
    if (values.json) await printJson(use);
    else {
      await printTable(["KIND", "COUNT", "SIZE", "SHARED"], use.entries.map(row));
      for (const line of summary(use)) await printLine(line);
    }
    return 0;
  },
});

function row({ kind, count, sizeBytes, sharedBytes }: DiskUse["entries"][number]): string[] {
  return [kind.replaceAll("_", " "), String(count), formatBytes(sizeBytes), formatBytes(sharedBytes)];
}

function summary({ layers, freeable, fileSystem }: DiskUse): string[] {
  const { path, sizeBytes, freeBytes } = fileSystem;
  return [
    "",
    `${layers.count} layers of ${formatBytes(layers.sizeBytes)} together`,
    `${formatBytes(freeable.gcBytes)} could be freed by atoll gc, ${formatBytes(freeable.pruneBytes)} by atoll image prune`,
    `${formatBytes(freeBytes)} free of ${formatBytes(sizeBytes)} below ${plain(path)}`,
  ];
}

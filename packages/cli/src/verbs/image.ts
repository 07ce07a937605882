import { Image, type ImageInfo } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { flag, one } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printPairs, printTable } from "../print.ts";
import { duration, formatBytes, formatDuration } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const imageLs = defineVerb({
  usage: "",
  description:
    "Lists images, newest first: those that were built, and snapshots. The size is that of all its layers, which images share.",
  options: { quiet: flag("Print ids only.", "q"), json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const images = await Image.list({ client, signal });
    if (values.json) await printJson(images);
    else if (values.quiet) for (const { id } of images) await printLine(id);
    else await printTable(["ID", "NAMES", "FROM", "LAYERS", "SIZE", "AGE"], images.map(row));
    return 0;
  },
});

function row({ id, names, origin, layers, sizeBytes, createdAt }: ImageInfo): string[] {
  const age = formatDuration(Math.max(0, Date.now() - Date.parse(createdAt)));
  return [id, names.join(" ") || "-", originText(origin), String(layers.length), formatBytes(sizeBytes), age];
}

function originText({ kind, of }: ImageInfo["origin"]): string {
  return of === undefined ? kind : `${kind} of ${plain(of)}`;
}

export const imageInspect = defineVerb({
  usage: "IMAGE",
  description: "Shows what an image consists of and what its sandboxes start with.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [image = ""], signal }) {
    const client = await connect(signal);
    const info = await Image.info(image, { client, signal });
    if (values.json) await printJson(info);
    else await printPairs(pairs(info));
    return 0;
  },
});

function pairs({ config, ...info }: ImageInfo): (readonly [string, string | undefined])[] {
  const argv = (words: readonly string[] | undefined) => words && plain(JSON.stringify(words));
  return [
    ["Id", info.id],
    ["Names", info.names.join(" ") || undefined],
    ["From", originText(info.origin)],
    ["Created", info.createdAt],
    ["Used", info.usedAt],
    ["Expires", info.expiresAt],
    ["Size", formatBytes(info.sizeBytes)],
    ["Workdir", config.workdir && plain(config.workdir)],
    ["User", config.user && plain(config.user)],
    ["Entrypoint", argv(config.entrypoint)],
    ["Command", argv(config.cmd)],
    ["Shell", argv(config.shell)],
    ...Object.entries(config.env).map(([name, value]) => ["Env", `${name}=${plain(value)}`] as const),
    ...info.layers.map((layer) => ["Layer", layer] as const),
  ];
}

export const imageTag = defineVerb({
  usage: "IMAGE NAME",
  description: "Gives an image a name, NAME or NAME:TAG, and takes it from another image that had it.",
  options: { json },
  arguments: [2, 2],
  examples: ["atoll image tag im-0123456789abcdefghijkl team/app:v1"],
  async run({ values, positionals: [image = "", name = ""], signal }) {
    const client = await connect(signal);
    const info = await client.request("nameImage", { params: { image }, body: { name }, signal });
    if (values.json) await printJson(info);
    else await printLine(info.id);
    return 0;
  },
});

export const imageRm = defineVerb({
  usage: "IMAGE...",
  description:
    "Removes names, or, given ids, images with all their names. An image that a sandbox uses is not removed.",
  options: { json },
  arguments: [1, 100],
  async run({ values, positionals, signal }) {
    const client = await connect(signal);
    for (const image of positionals) await Image.delete(image, { client, signal });
    if (values.json) await printJson(positionals);
    else for (const image of positionals) await printLine(image);
    return 0;
  },
});

export const imagePrune = defineVerb({
  usage: "",
  description:
    "Removes images that were built or pulled and have neither a name nor a sandbox: they can be made again. Snapshots and imported images are left alone.",
  options: {
    "dry-run": flag("Only say what would be removed.", "n"),
    "unused-for": one("DURATION", "Only what was not used for this long, such as 24h.", duration),
    json,
  },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const query = { dryRun: values["dry-run"], unusedForMs: values["unused-for"] };
    const pruned = await client.request("pruneImages", { query, signal });
    if (values.json) {
      await printJson(pruned);
      return 0;
    }
    for (const id of pruned.images) await printLine(id);
    const would = values["dry-run"] ? "would be " : "";
    await printLine(`${pruned.images.length} images ${would}removed, ${formatBytes(pruned.freedBytes)} freed`);
    return 0;
  },
});

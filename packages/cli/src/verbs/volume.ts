import { mkdir, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { type Client, Volume } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { flag, one } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printTable, write } from "../print.ts";
import { progressOf } from "../progress.ts";
import { formatBytes, size } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const volumeCreate = defineVerb({
  usage: "NAME",
  description: "Creates a volume: a directory that outlives sandboxes. `atoll run --volume NAME:/path` mounts it.",
  options: {
    shared: flag("An ordinary directory that all sandboxes write to at once, without commits."),
    limit: one("SIZE", "Most bytes it may hold, such as 100GiB; the server's default when absent.", size),
    json,
  },
  arguments: [1, 1],
  examples: ["atoll volume create build-cache", "atoll run --volume build-cache:/cache -- make"],
  async run({ values, positionals: [name = ""], signal }) {
    const client = await connect(signal);
    const body = { name, shared: values.shared, limitBytes: values.limit };
    const made = await client.request("createVolume", { body, signal });
    if (values.json) await printJson(made);
    else await printLine(name);
    return 0;
  },
});

export const volumeLs = defineVerb({
  usage: "[VOLUME [PATH]]",
  description: "Lists volumes; or, given one, the files in it.",
  options: { recursive: flag("Everything below the directory too.", "r"), json },
  arguments: [0, 2],
  async run({ values, positionals: [given, path = "/"], signal }) {
    const client = await connect(signal);
    if (given === undefined) return await listVolumes(client, values.json, signal);
    const volume = await volumeOf(client, given, signal);
    const entries = await volume.listFiles(path, { recursive: values.recursive, signal });
    if (values.json) await printJson(entries);
    else
      await printTable(
        ["MODE", "SIZE", "MODIFIED", "PATH"],
        entries.map(({ mode, size, modifiedAt, path: at, type }) => [
          mode.toString(8).padStart(4, "0"),
          formatBytes(size),
          modifiedAt,
          plain(at) + (type === "directory" ? "/" : ""),
        ]),
      );
    return 0;
  },
});

async function listVolumes(client: Client, isJson: boolean, signal: AbortSignal): Promise<number> {
  const volumes = await Volume.list({ client, signal });
  if (isJson) await printJson(volumes);
  else
    await printTable(
      ["NAME", "ID", "KIND", "SIZE", "LIMIT", "CHANGED", "USED BY"],
      volumes.map(({ name = "-", id, shared, sizeBytes, limitBytes, updatedAt, usedBy }) => [
        name,
        id,
        shared ? "shared" : "committed",
        shared ? "-" : formatBytes(sizeBytes),
        limitBytes === undefined ? "-" : formatBytes(limitBytes),
        updatedAt,
        usedBy.join(" ") || "-",
      ]),
    );
  return 0;
}

export const volumePut = defineVerb({
  usage: "VOLUME SOURCE [PATH]",
  description:
    "Puts a file, or a directory with all that is in it, into a volume, in one commit. SOURCE is a path of this machine, or - for stdin.\n" +
    "Without a PATH it gets the source's name in the top directory.",
  options: { quiet: flag("Show no progress.", "q") },
  arguments: [2, 3],
  examples: ["atoll volume put models ./weights /v1", "echo hello | atoll volume put notes - /greeting"],
  async run({ values, positionals: [given = "", source = "", path = `/${basename(resolve(source))}`], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    const progress = progressOf(plain(basename(source)), values.quiet);
    try {
      if (source === "-") await fromStdin(volume, path, signal);
      else await volume.copyFromLocal(resolve(source), path, { signal, onProgress: progress.onProgress });
    } finally {
      progress.done();
    }
    return 0;
  },
});

async function fromStdin(volume: Volume, path: string, signal: AbortSignal): Promise<void> {
  try {
    await volume.write(path, process.stdin, { signal });
  } finally {
    // An unread stdin would keep the program running.
    process.stdin.destroy();
  }
}

export const volumeGet = defineVerb({
  usage: "VOLUME PATH [DESTINATION]",
  description:
    "Gets a file, or a directory with all that is in it, out of a volume. DESTINATION is a path of this machine, the present directory\n" +
    "when absent, or - for stdout; a directory is written to stdout as a tar archive.",
  options: { quiet: flag("Show no progress.", "q") },
  arguments: [2, 3],
  examples: ["atoll volume get models /v1 ./weights", "atoll volume get notes /greeting -"],
  async run({ values, positionals: [given = "", path = "", to = "."], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    if (to === "-") {
      const { type } = await volume.stat(path, { signal });
      const stream = await (type === "directory"
        ? volume.readArchive(path, { signal })
        : volume.readStream(path, { signal }));
      for await (const piece of stream) await write(process.stdout, piece);
      return 0;
    }
    const isDirectory = await stat(to).then(
      (found) => found.isDirectory(),
      () => false, // it is made
    );
    const local = isDirectory ? resolve(to, basename(path) || given) : resolve(to);
    await mkdir(resolve(local, ".."), { recursive: true });
    const progress = progressOf(plain(basename(path)), values.quiet);
    try {
      await volume.copyToLocal(path, local, { signal, onProgress: progress.onProgress });
    } finally {
      progress.done();
    }
    return 0;
  },
});

export const volumeRm = defineVerb({
  usage: "VOLUME PATH...",
  description: "Removes files, or empty directories, from a volume.",
  options: { recursive: flag("Directories with all that is in them.", "r") },
  arguments: [2, 100],
  async run({ values, positionals: [given = "", ...paths], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    for (const path of paths) await volume.removeFile(path, { recursive: values.recursive, signal });
    return 0;
  },
});

export const volumeCp = defineVerb({
  usage: "VOLUME SOURCE... DESTINATION",
  description: "Copies files within a volume: into DESTINATION when that is a directory, else under that very path.",
  options: { recursive: flag("Directories with all that is in them.", "r") },
  arguments: [3, 100],
  async run({ values, positionals: [given = "", ...paths], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    await volume.copyFiles(paths.slice(0, -1), paths.at(-1) ?? "", { recursive: values.recursive, signal });
    return 0;
  },
});

export const volumeMv = defineVerb({
  usage: "VOLUME FROM TO",
  description: "Renames a file or a directory within a volume.",
  options: {},
  arguments: [3, 3],
  async run({ positionals: [given = "", from = "", to = ""], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    await volume.renameFile(from, to, { signal });
    return 0;
  },
});

export const volumeRename = defineVerb({
  usage: "VOLUME NAME",
  description: "Gives a volume another name.",
  options: { json },
  arguments: [2, 2],
  async run({ values, positionals: [given = "", name = ""], signal }) {
    const volume = await volumeOf(await connect(signal), given, signal);
    await volume.rename(name, { signal });
    if (values.json) await printJson(await volume.info({ signal }));
    else await printLine(name);
    return 0;
  },
});

export const volumeDelete = defineVerb({
  usage: "VOLUME...",
  description: "Deletes volumes with all that is in them. A volume that a sandbox has mounted is not deleted.",
  options: { json },
  arguments: [1, 100],
  async run({ values, positionals, signal }) {
    const client = await connect(signal);
    for (const given of positionals) await Volume.delete(given, { client, signal });
    if (values.json) await printJson(positionals);
    else for (const given of positionals) await printLine(given);
    return 0;
  },
});

function volumeOf(client: Client, given: string, signal: AbortSignal): Promise<Volume> {
  return Volume.fromId(given, { client, signal });
}

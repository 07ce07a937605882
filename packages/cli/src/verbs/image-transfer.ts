import { Image } from "@atoll/sdk";
import { shownOutput } from "../build-output.ts";
import { connect } from "../connect.ts";
import { UsageError } from "../errors.ts";
import { flag, one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine, write } from "../print.ts";
import { defineVerb } from "../verb.ts";

const quiet = flag("Show no progress.", "q");

export const imageImport = defineVerb({
  usage: "FILE",
  description: "Makes an image of a file that `docker save` wrote, or of an OCI archive, and prints its id.",
  options: { name: one("NAME", "Name of the image: NAME or NAME:TAG.", text), quiet, json },
  arguments: [1, 1],
  examples: ["docker save app:v1 -o app.tar && atoll image import app.tar --name app:v1"],
  async run({ values, positionals: [file = ""], signal }) {
    const client = await connect(signal);
    const { name } = values;
    const info = await shownOutput(values, (onOutput) => Image.import(file, { client, signal, name, onOutput }));
    if (values.json) await printJson(info);
    else await printLine(info.id);
    return 0;
  },
});

export const imageExport = defineVerb({
  usage: "IMAGE FILE",
  description:
    "Writes an image, or a snapshot, as an OCI archive that `docker load`, podman and skopeo take. The same image gives the same\n" +
    "file. - stands for stdout.",
  options: { quiet },
  arguments: [2, 2],
  examples: ["atoll image export team/app:v1 app.tar", "atoll image export team/app:v1 - | docker load"],
  async run({ values, positionals: [name = "", file = ""], signal }) {
    if (file === "-" && process.stdout.isTTY) throw terminal();
    const client = await connect(signal);
    const target = file === "-" ? stdout() : file;
    await shownOutput(values, (onOutput) => {
      onOutput({ event: "note", text: `reading the layers of ${name}` });
      const onProgress = (bytes: number, of: number) => onOutput({ event: "progress", what: "exporting", bytes, of });
      return Image.fromName(name).export(target, { client, signal, onProgress });
    });
    return 0;
  },
});

export const imagePush = defineVerb({
  usage: "IMAGE REFERENCE",
  description:
    "Puts an image, or a snapshot, into a registry, as HOST/NAME:TAG, and prints the reference with the digest under which the registry\n" +
    "gives exactly this image. Names without a host are Docker Hub's.",
  options: {
    "registry-secret": one("NAME", "Secret with REGISTRY_USERNAME and REGISTRY_PASSWORD.", text),
    quiet,
    json,
  },
  arguments: [2, 2],
  examples: ["atoll image push team/app:v1 registry.example:5000/team/app:v1 --registry-secret registry"],
  async run({ values, positionals: [name = "", reference = ""], signal }) {
    const client = await connect(signal);
    const secret = values["registry-secret"];
    const image = Image.fromName(name);
    const pushed = await shownOutput(values, (onOutput) => image.push(reference, { client, signal, secret, onOutput }));
    if (values.json) await printJson(pushed);
    else await printLine(`${pushed.reference}@${pushed.digest}`);
    return 0;
  },
});

function stdout(): WritableStream<Uint8Array> {
  return new WritableStream({ write: (piece) => write(process.stdout, piece) });
}

function terminal(): UsageError {
  return new UsageError("cannot write an archive to a terminal", "Name a file, or lead the output into a program.");
}

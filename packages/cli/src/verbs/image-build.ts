import { Image } from "@atoll/sdk";
import { shownOutput } from "../build-output.ts";
import { connect } from "../connect.ts";
import { UsageError } from "../errors.ts";
import { flag, many, one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

const quiet = flag("Say nothing but the id.", "q");
const name = one("NAME", "Name of the image: NAME or NAME:TAG.", text);

export const imageBuild = defineVerb({
  usage: "CONTEXT",
  description:
    "Builds a Dockerfile. COPY and ADD take from the directory CONTEXT, without what its .dockerignore leaves out. Prints the id.",
  options: {
    file: one("FILE", "The Dockerfile; CONTEXT/Dockerfile unless given.", text, { short: "f" }),
    tag: one("NAME", "Name of the image: NAME or NAME:TAG.", text, { short: "t" }),
    "build-arg": many("NAME=VALUE", "Value of an ARG.", pairs),
    secret: many(
      "NAME",
      "Secret of the server whose values RUN instructions get as environment variables.",
      (names) => names,
    ),
    "registry-secret": one("NAME", "Secret with a registry's login, for FROM.", text),
    target: one("STAGE", "Stage to build; the last one unless given.", text),
    force: flag("Run every step again, and pull bases again."),
    quiet,
    json,
  },
  arguments: [1, 1],
  examples: ["atoll image build -t team/app:v1 .", "atoll run --image $(atoll image build -q .) -- ls"],
  async run({ values, positionals: [context = "."], signal }) {
    const client = await connect(signal);
    const image = Image.fromDockerfile(values.file ?? `${context}/Dockerfile`, {
      context,
      args: values["build-arg"],
      secrets: values.secret,
      registrySecret: values["registry-secret"],
      target: values.target,
    });
    const { tag, force } = values;
    const info = await shownOutput(values, (onOutput) => {
      const options = { client, signal, force, onOutput };
      return tag === undefined ? image.build(options) : image.publish(tag, options);
    });
    if (values.json) await printJson(info);
    else await printLine(info.id);
    return 0;
  },
});

export const imagePull = defineVerb({
  usage: "REFERENCE",
  description:
    "Pulls an image of a registry, such as python:3.12-slim or registry.example:5000/team/app@sha256:..., for this machine's\n" +
    "architecture, and prints its id. Names without a host are Docker Hub's.",
  options: { secret: one("NAME", "Secret with REGISTRY_USERNAME and REGISTRY_PASSWORD.", text), name, quiet, json },
  arguments: [1, 1],
  async run({ values, positionals: [reference = ""], signal }) {
    const client = await connect(signal);
    const { secret, name } = values;
    const options = { client, signal, secret, ...(name !== undefined && { name }) };
    const info = await shownOutput(values, (onOutput) => Image.pull(reference, { ...options, onOutput }));
    if (values.json) await printJson(info);
    else await printLine(info.id);
    return 0;
  },
});

function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((given) => {
      const equals = given.indexOf("=");
      if (equals < 1) throw new UsageError(`cannot use --build-arg ${given}`, "Write it as NAME=VALUE.");
      return [given.slice(0, equals), given.slice(equals + 1)];
    }),
  );
}

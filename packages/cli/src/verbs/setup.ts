import { printLine } from "../print.ts";
import { setUp } from "../start-server.ts";
import { defineVerb } from "../verb.ts";

export const setup = defineVerb({
  usage: "",
  description:
    "Installs the distribution's packages that are missing, builds the native programs, fetches runsc, and makes the base image.\n" +
    "run, create, serve and all others that start a server do this by themselves; it changes nothing where all is there.",
  options: {},
  arguments: [0, 0],
  async run({ signal }) {
    await setUp(signal);
    await printLine("this machine is set up");
    return 0;
  },
});

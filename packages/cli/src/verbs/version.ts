import packageJson from "../../package.json" with { type: "json" };
import { printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const versionVerb = defineVerb({
  usage: "",
  description: "Prints the version of this command; atoll status shows the server's.",
  options: {},
  arguments: [0, 0],
  async run() {
    await printLine(`atoll ${packageJson.version}`);
    return 0;
  },
});

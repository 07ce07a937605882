import { Image } from "@atoll/sdk";
import { buildLine } from "../build-line.ts";
import { connect } from "../connect.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const imageLogs = defineVerb({
  usage: "IMAGE",
  description:
    "Shows what the build of an image wrote, and follows one that is under way. A build that failed is shown by its id for a day.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [image = ""], signal }) {
    const client = await connect(signal);
    for await (const entry of Image.log(image, { client, signal })) {
      if (values.json) await printJson(entry);
      else await printLine(buildLine(entry.event));
    }
    return 0;
  },
});

import { Image, type LogEntry } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine } from "../print.ts";
import { formatDuration } from "../quantity.ts";
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
      else await printLine(plain(lineOf(entry)));
    }
    return 0;
  },
});

function lineOf({ event }: LogEntry): string {
  if (event.event === "step") return `step ${event.step}/${event.of}: ${event.text}${event.cached ? " (cached)" : ""}`;
  if (event.event === "output") return event.line;
  if (event.event === "finished") return `step ${event.step} took ${formatDuration(event.durationMs)}`;
  return event.event === "image" ? `built ${event.image.id}` : event.error.message;
}

import type { LogEntry } from "@atoll/sdk";
import { plain } from "./print.ts";
import { formatBytes, formatDuration } from "./quantity.ts";

/** How an event of a build is printed. Its text comes from programs that ran in it. */
export function buildLine(event: LogEntry["event"]): string {
  return plain(textOf(event));
}

function textOf(event: LogEntry["event"]): string {
  switch (event.event) {
    case "step":
      return `step ${event.step}/${event.of}: ${event.text}${event.cached ? " (cached)" : ""}`;
    case "output":
      return event.line;
    case "finished":
      return `step ${event.step} took ${formatDuration(event.durationMs)}`;
    case "note":
      return event.text;
    case "progress": {
      const of = event.of === undefined ? "" : ` of ${formatBytes(event.of)}`;
      return `${event.what}: ${formatBytes(event.bytes)}${of}`;
    }
    case "image":
      return `built ${event.image.id}`;
    case "failed":
      return event.error.message;
  }
}

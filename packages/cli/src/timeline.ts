/** A timeline as aligned lines. Pure. */
import type { TimelineEntry } from "@atoll/sdk";
import { plain } from "./print.ts";

/** Time of day, milliseconds since the entry before, what happened. */
export function timelineLines(timeline: readonly TimelineEntry[]): string[] {
  const deltas = timeline.map(({ at }, index) => {
    const before = timeline[index - 1];
    return before ? `+${Date.parse(at) - Date.parse(before.at)} ms` : "";
  });
  const deltaWidth = Math.max(0, ...deltas.map(({ length }) => length));
  const eventWidth = Math.max(0, ...timeline.map(({ event }) => event.length));
  return timeline.map(({ event, at, detail }, index) => {
    const time = at.slice(11, 23).padEnd(12);
    const line = `  ${time}  ${deltas[index]?.padStart(deltaWidth)}  ${plain(event).padEnd(eventWidth)}`;
    return (detail ? `${line}  ${plain(detail)}` : line).trimEnd();
  });
}

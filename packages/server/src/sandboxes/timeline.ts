import type { TimelineEntry } from "@atoll/protocol";

/** Enough for every step and a day of reconnections; the first entries say the most, so later ones are dropped. */
const mostEntries = 100;

export type TimelineEvent =
  | "queued"
  | "starting"
  | "prepared"
  | "connected"
  | "claimed"
  | "set_up"
  | "started"
  | "ready"
  | "adopted"
  | "disconnected"
  | "volumes_lost"
  | "snapshot"
  | "ending"
  | "finished"
  | "removed";

/** A timeline with one more entry. */
export function withEntry(
  timeline: readonly TimelineEntry[],
  event: TimelineEvent,
  at: number,
  detail?: string,
): readonly TimelineEntry[] {
  const isLast = event === "ending" || event === "finished" || event === "removed";
  if (timeline.length >= mostEntries && !isLast) return timeline;
  return [...timeline, { event, at: new Date(at).toISOString(), ...(detail !== undefined && { detail }) }];
}

/** What is told of work on an image, on stderr: stdout has the result. */
import type { BuildEvent } from "@atoll/sdk";
import { buildLine } from "./build-line.ts";

const redrawMs = 100;

interface Quietness {
  readonly quiet: boolean;
  readonly json?: boolean;
}

/** Shows what `act` tells while it runs. Progress is one line that changes, for a person at a terminal. */
export async function shownOutput<T>(
  { quiet, json = false }: Quietness,
  act: (onOutput: (event: BuildEvent) => void) => Promise<T>,
): Promise<T> {
  const { stderr } = process;
  let isDrawn = false;
  let drawnAt = 0;
  const clear = () => {
    if (isDrawn) stderr.write("\r\x1b[K");
    isDrawn = false;
  };
  const draw = (line: string) => {
    const now = Date.now();
    if (!stderr.isTTY || now - drawnAt < redrawMs) return;
    drawnAt = now;
    isDrawn = true;
    stderr.write(`\r${line}\x1b[K`);
  };
  try {
    return await act((event) => {
      if (quiet || json) return;
      if (event.event === "progress") return draw(buildLine(event));
      clear();
      stderr.write(`${buildLine(event)}\n`);
    });
  } finally {
    clear();
  }
}

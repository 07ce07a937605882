/** How much has been passed on, for a person at a terminal. */

const redrawMs = 100;

export interface Progress {
  readonly onProgress: (bytes: number) => void;
  /** Takes the line away again. */
  done(): void;
}

export function progressOf(what: string, isQuiet: boolean): Progress {
  const { stderr } = process;
  let drawnAt = 0;
  if (isQuiet || !stderr.isTTY) return { onProgress: () => undefined, done: () => undefined };
  return {
    onProgress: (bytes) => {
      const now = Date.now();
      if (now - drawnAt < redrawMs) return;
      drawnAt = now;
      stderr.write(`\r${what}: ${(bytes / 2 ** 20).toFixed(1)} MiB\x1b[K`);
    },
    done: () => {
      if (drawnAt > 0) stderr.write("\r\x1b[K");
    },
  };
}

/** Shows how far set-up is: on a terminal one line redrawn, elsewhere one line a stage. */

export interface Step {
  /** @param fraction 0 to 1; undefined when it is not known. @param stage what is being done, in a few words */
  update(stage: string, fraction?: number): void;
}

export interface Progress {
  /** Runs `work` under a title; the time it took is shown once it succeeds. */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>;
  note(text: string): void;
}

export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const redrawMs = 100;

export function showProgress(screen: Screen): Progress {
  const say = screen.isTTY ? redrawing(screen) : line(screen);
  return {
    note: (text) => say.line(`atoll: ${text}`),
    async step(title, work) {
      const startedMs = performance.now();
      say.stage(`atoll: ${title}`, undefined, undefined);
      const result = await work({ update: (stage, fraction) => say.stage(`atoll: ${title}`, stage, fraction) });
      say.line(`atoll: ${title}: done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
      return result;
    },
  };
}

interface Teller {
  stage(title: string, stage: string | undefined, fraction: number | undefined): void;
  line(text: string): void;
}

function line(screen: Screen): Teller {
  let last = "";
  return {
    stage(title, stage) {
      const text = stage ? `${title}: ${stage}` : title;
      if (text !== last) screen.write(`${text}\n`);
      last = text;
    },
    line: (text) => screen.write(`${text}\n`),
  };
}

function redrawing(screen: Screen): Teller {
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    stage(title, stage, fraction) {
      const nowMs = performance.now();
      if (nowMs - drawnMs < redrawMs) return;
      drawnMs = nowMs;
      const percent =
        fraction === undefined ? "" : ` ${bar(fraction)} ${String(Math.floor(fraction * 100)).padStart(3)}%`;
      const text = `${title}${percent}${stage ? `  ${stage}` : ""}`;
      screen.write(`\r\x1b[K${text.slice(0, (screen.columns ?? 80) - 1)}`);
    },
    line(text) {
      drawnMs = Number.NEGATIVE_INFINITY;
      screen.write(`\r\x1b[K${text}\n`);
    },
  };
}

function bar(fraction: number): string {
  const width = 24;
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return `[${"#".repeat(filled)}${".".repeat(width - filled)}]`;
}

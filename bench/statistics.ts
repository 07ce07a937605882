export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** @param samples in one unit, in any order; at least one */
export function summary(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { n: sorted.length, min: at(0), p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export interface Row {
  readonly name: string;
  readonly samples: readonly number[];
}

/** One line a measurement; the last column compares medians with the first row's, which is the control. */
export function table(title: string, unit: string, rows: readonly Row[]): string {
  const control = rows[0] && summary(rows[0].samples).p50;
  const lines = rows.map(({ name, samples }) => {
    const { n, min, p50, p95, p99 } = summary(samples);
    const cells = [min, p50, p95, p99].map((value) => value.toFixed(value < 10 ? 2 : 0));
    return `| ${[name, String(n), ...cells, `${(p50 / (control ?? p50)).toFixed(2)}x`].join(" | ")} |`;
  });
  return [
    `### ${title} (${unit})`,
    "",
    "| | n | min | p50 | p95 | p99 | to control |",
    "|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

/** By name: does the work once and returns how long it took, or how much a second it did. The first is the control. */
export type Measurements = Readonly<Record<string, () => Promise<number>>>;

/** Runs the measurements round robin, so that a noisy neighbour disturbs all of them alike. */
export async function interleaved(rounds: number, measurements: Measurements): Promise<Row[]> {
  const rows = Object.entries(measurements).map(([name, measure]) => ({ name, measure, samples: [] as number[] }));
  for (const { measure } of rows) await measure(); // the first one fills caches
  for (let round = 0; round < rounds; round += 1)
    for (const { measure, samples } of rows) samples.push(await measure());
  return rows;
}

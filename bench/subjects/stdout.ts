import type { Bench } from "../bench.ts";
import { pipeThroughput } from "../controls.ts";
import { stdoutThroughput } from "../sandboxed.ts";

export const about = "how fast much output of one process arrives at the client (higher is better)";

const flood = (block: string, count: number) => ["dd", "if=/dev/zero", `bs=${block}`, `count=${count}`, "status=none"];
const floods = { "64K": flood("64K", 8192), "4K": flood("4K", 32_768) };

export async function measure(bench: Bench): Promise<void> {
  for (const level of bench.levels) {
    await using sandbox = await bench.sandbox(level);
    for (const [block, argv] of Object.entries(floods))
      await bench.compare(
        `stdout throughput, ${level}, writes of ${block}`,
        "MB/s",
        {
          "plain pipe": () => pipeThroughput(argv),
          [`atoll stdout, ${level}`]: () => stdoutThroughput(sandbox, argv),
        },
        { rounds: Math.max(3, bench.rounds / 20) },
      );
  }
}

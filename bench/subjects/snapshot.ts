import type { Bench } from "../bench.ts";
import { BareFiles, snapshotOf } from "../snapshots.ts";

export const about =
  "a snapshot of files, by how much was written: how long the sandbox stands still, and until the image is there";

/** MiB, in files of 4 MiB at most; the smallest is a hundred files of a few bytes. */
const sizes = [0, 4, 160, 1024];

export async function measure(bench: Bench): Promise<void> {
  for (const size of sizes) {
    const script = writing(size);
    using bare = new BareFiles(script);
    for (const level of bench.levels) {
      await using sandbox = await bench.sandbox(level);
      await (await sandbox.exec(["sh", "-euc", `mkdir /w; cd /w; ${script}`])).wait();
      await bench.compare(
        `snapshot of ${size} MiB, ${level}`,
        "ms",
        {
          tar: async () => bare.tar(),
          cp: async () => bare.copy(),
          "cp --reflink": async () => bare.clone(),
          "bare re-stack": async () => bare.restack(),
          "atoll, pause": async () => (await snapshotOf(sandbox)).pausedMs,
          "atoll, until the image is there": async () => (await snapshotOf(sandbox)).totalMs,
        },
        { rounds: Math.max(3, bench.rounds / 20) },
      );
    }
  }
}

function writing(size: number): string {
  const large = `for i in $(seq ${size / 4}); do head -c 4194304 /dev/urandom > large$i; done`;
  return `for i in $(seq 100); do echo $i > small$i; done; ${size > 0 ? large : ":"}`;
}

import type { Bench } from "../bench.ts";
import { firstByte } from "../controls.ts";
import { createToFirstByte } from "../sandboxed.ts";

export const about = "from the call of create to the first byte of the sandbox's command";

const oneByte = ["printf", "x"];

export async function measure(bench: Bench): Promise<void> {
  for (const level of bench.levels) {
    const control = await bench.control(level);
    await bench.compare(
      `create to first byte, ${level}`,
      "ms",
      {
        "plain spawn": () => firstByte(oneByte),
        [`${control.kind} run`]: () => control.run(oneByte),
        [`atoll create, ${level}`]: () => createToFirstByte(oneByte, level),
      },
      { rounds: level === "gvisor" ? bench.rounds / 4 : bench.rounds },
    );
  }
}

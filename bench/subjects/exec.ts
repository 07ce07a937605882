import type { Bench } from "../bench.ts";
import { firstByte } from "../controls.ts";
import { execToFirstByte } from "../sandboxed.ts";

export const about = "from the call of exec in a running sandbox to the process's first byte";

const oneByte = ["printf", "x"];

export async function measure(bench: Bench): Promise<void> {
  for (const level of bench.levels) {
    const control = await bench.control(level);
    await using sandbox = await bench.sandbox(level);
    await bench.compare(`exec to first byte, ${level}`, "ms", {
      "plain spawn": () => firstByte(oneByte),
      [`${control.kind} exec`]: () => control.exec(oneByte),
      [`atoll exec, ${level}`]: () => execToFirstByte(sandbox, oneByte),
    });
  }
}

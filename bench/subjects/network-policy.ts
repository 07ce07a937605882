import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "@atoll/sdk";
import type { Bench } from "../bench.ts";

export const about =
  "changing the policy of a sandbox that runs, beside a bare nft transaction, with 1, 100 and 500 slots in the sets";

const slotCounts = [1, 100, 500];
const rangesEach = 20;

export async function measure(bench: Bench): Promise<void> {
  for (const level of bench.levels) {
    await using sandbox = await bench.sandbox(level);
    for (const count of slotCounts) {
      await using _others = await policiesOfOthers(count);
      await bench.compare(`change of a policy, ${count} slots present, ${level}`, "ms", {
        "nft, spawned here": alternating((step) =>
          nft([change("add", "benchOwn", step), change("delete", "benchOwn", step)].join("")),
        ),
        "atoll updateNetworkPolicy": alternating((step) => update(sandbox, step)),
      });
    }
  }
}

/** Times one act after another, each different from the one before. */
function alternating(act: (step: number) => Promise<unknown>): () => Promise<number> {
  let step = 0;
  return async () => {
    step = (step + 1) % 2;
    const began = performance.now();
    await act(step);
    return performance.now() - began;
  };
}

function update(sandbox: Sandbox, step: number) {
  return sandbox.updateNetworkPolicy({ outboundCidrAllowlist: [`198.51.${100 + step}.0/24`] });
}

/** Slots that exist in the gateway's sets alone. */
async function policiesOfOthers(count: number): Promise<AsyncDisposable> {
  const elements = Array.from({ length: count }, (_, slot) =>
    Array.from({ length: rangesEach }, (_, range) => `"bench${slot}" . 10.${slot % 256}.${2 * range}.0/24`),
  ).flat();
  const all = (verb: string) => nft(`${verb} element inet atoll allowed { ${elements.join(", ")} }\n`);
  await all("add");
  return { [Symbol.asyncDispose]: () => all("delete") };
}

function change(verb: string, slot: string, step: number): string {
  return `${verb} element inet atoll allowed { "${slot}" . 198.51.${100 + step}.0/24 }\n`;
}

/** A transaction in the gateway's network namespace. */
async function nft(commands: string): Promise<void> {
  const launcher = readFileSync(
    join(process.env.ATOLL_STATE_DIR ?? "/var/lib/atoll", "run/launcher.pid"),
    "utf8",
  ).trim();
  const argv = [`--net=/proc/${launcher}/ns/net`, "nft", "-f", "-"];
  const child = spawn("nsenter", argv, { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(commands);
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`cannot change the gateway's sets: nft exited with ${status}`);
}

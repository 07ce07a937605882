import { mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Sandbox } from "@atoll/sdk";
import type { Bench } from "../bench.ts";
import { wholeRun } from "../controls.ts";
import { LocalFiles } from "../local-files.ts";

export const about = "a file of 384 MiB and 10,000 small files into a sandbox and out of it, beside cp and tar";

const mebibytes = 384;
const count = 10_000;

export async function measure(bench: Bench): Promise<void> {
  using files = new LocalFiles();
  const sources = { "384 MiB": files.large("large", mebibytes), "10,000 files": files.many("many", count) };
  for (const level of bench.levels) {
    await using sandbox = await bench.sandbox(level);
    for (const [what, source] of Object.entries(sources)) {
      const rounds = Math.max(3, bench.rounds / 20);
      const inside = `/root/${basename(source)}`;
      const controls = {
        "cp -a": () => wholeRun(["cp", "-a", source, files.free("copied")]),
        "tar to tar": () => throughTar(source, files.free("piped")),
      };
      await bench.compare(
        `${what} into a sandbox, ${level}`,
        "ms",
        { ...controls, [`atoll, ${level}`]: () => putInto(sandbox, source, inside) },
        { rounds },
      );
      await bench.compare(
        `${what} out of a sandbox, ${level}`,
        "ms",
        { ...controls, [`atoll, ${level}`]: () => clocked(() => sandbox.fs.copyToLocal(inside, files.free("got"))) },
        { rounds },
      );
    }
  }
}

async function putInto(sandbox: Sandbox, source: string, inside: string): Promise<number> {
  await (await sandbox.exec("rm", "-rf", inside)).wait();
  return await clocked(() => sandbox.fs.copyFromLocal(source, inside));
}

function throughTar(source: string, target: string): Promise<number> {
  mkdirSync(target);
  const script = 'tar -C "$1" -cf - "$2" | tar -C "$3" -xf -';
  return wholeRun(["sh", "-c", script, "sh", dirname(source), basename(source), target]);
}

async function clocked(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

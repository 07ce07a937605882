import { type Isolation, Sandbox, Volume } from "@atoll/sdk";
import type { Bench } from "../bench.ts";
import { wholeRun } from "../controls.ts";
import { LocalFiles } from "../local-files.ts";

export const about = "commits of 1 and of 1,000 files, and starting with a volume of 10,000, beside cp of as many";

const mounted = 10_000;

export async function measure(bench: Bench): Promise<void> {
  using files = new LocalFiles();
  await using volume = await Volume.ephemeral();
  const source = files.many("mounted", mounted);
  await volume.copyFromLocal(source, "/");
  const rounds = Math.max(3, bench.rounds / 20);
  for (const level of bench.levels) {
    for (const count of [1, 1000]) await commits(bench, level, files, count, rounds);
    await bench.compare(
      `start with ${mounted} files in a volume, ${level}`,
      "ms",
      {
        "cp -a": () => wholeRun(["cp", "-a", source, files.free("copied")]),
        [`atoll create without a volume, ${level}`]: () => started(level, {}),
        [`atoll create with it, ${level}`]: () => started(level, { "/data": volume }),
      },
      { rounds },
    );
  }
}

/** In a volume that holds nothing else. */
async function commits(
  bench: Bench,
  level: Isolation,
  files: LocalFiles,
  count: number,
  rounds: number,
): Promise<void> {
  const source = files.many(`changed${count}`, count);
  await using volume = await Volume.ephemeral();
  await using sandbox = await Sandbox.create({ isolation: level, timeoutMs: 3_600_000, volumes: { "/data": volume } });
  await sandbox.fs.copyFromLocal(source, "/root/changed");
  const commit = async () => {
    // Gone and written anew, so that each is changed.
    const writing = await sandbox.exec("sh", "-c", "rm -rf /data/*; cp -r /root/changed /data/ && sleep 0.1");
    await writing.wait();
    const began = performance.now();
    await sandbox.commitVolumes();
    return performance.now() - began;
  };
  const copy = () => wholeRun(["cp", "-a", source, files.free("copy")]);
  await bench.compare(
    `commit of ${count} changed ${count === 1 ? "file" : "files"}, ${level}`,
    "ms",
    {
      "cp -a": copy,
      "cp -a && sync": async () => (await copy()) + (await wholeRun(["sync", "-f", source])),
      [`atoll commit, ${level}`]: commit,
    },
    { rounds },
  );
}

async function started(level: Isolation, volumes: Record<string, Volume>): Promise<number> {
  const began = performance.now();
  const sandbox = await Sandbox.create("sleep", "1000", { isolation: level, volumes });
  const elapsed = performance.now() - began;
  await sandbox.terminate();
  return elapsed;
}

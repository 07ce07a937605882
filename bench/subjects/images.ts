import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { defaultClient, Image } from "@atoll/sdk";
import type { Bench } from "../bench.ts";

export const about = "builds from the cache, and of one layer; import and export of the base image beside tar";

const run = promisify(execFile);

export async function measure(bench: Bench): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "atoll-bench-"));
  try {
    await builds(bench, directory);
    await transfers(bench, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await forgetLayers();
  }
}

async function builds(bench: Bench, directory: string): Promise<void> {
  const below = Image.debianSlim().runCommands(`echo ${directory} > /below`, "head -c 5M /dev/urandom > /more");
  const made = new Set<string>();
  const build = async (image: Image) => void made.add((await image.build()).id);
  await build(below);
  let count = 0;
  const file = join(directory, "changed");
  await bench.compare(
    "a build",
    "ms",
    {
      "sh -c true": () => timed(() => run("sh", ["-c", "true"])),
      "everything cached": () => timed(() => build(below)),
      "one file of it changed": () =>
        timed(async () => {
          count += 1;
          await writeFile(file, `${directory} ${count}`);
          await build(below.addLocalFile(file, "/changed"));
        }),
      "one command of it changed": () =>
        timed(() => {
          count += 1;
          return build(below.runCommands(`echo ${directory} ${count} > /changed`));
        }),
    },
    { rounds: bench.rounds / 5 },
  );
  for (const id of made) await Image.delete(id);
}

async function transfers(bench: Bench, directory: string): Promise<void> {
  const packed = join(directory, "packed.tar");
  const unpacked = join(directory, "unpacked");
  const archive = join(directory, "image.tar");
  const rounds = bench.rounds / 10;
  await bench.compare(
    "the base image, out",
    "ms",
    {
      "tar --create": () => timed(() => run("tar", ["-cf", packed, "-C", bench.layer, "."])),
      "atoll image export": () => timed(() => Image.fromName("base").export(archive)),
    },
    { rounds },
  );
  await bench.compare(
    "the base image, in",
    "ms",
    {
      "tar --extract": async () => {
        const elapsed = await timed(async () => {
          await run("mkdir", [unpacked]);
          await run("tar", ["-xf", packed, "-C", unpacked]);
          await run("sync", ["--file-system", unpacked]);
        });
        await rm(unpacked, { recursive: true });
        return elapsed;
      },
      "atoll image import": async () => {
        let id = "";
        const elapsed = await timed(async () => {
          ({ id } = await Image.import(archive));
        });
        await Image.delete(id);
        await forgetLayers();
        return elapsed;
      },
    },
    { rounds },
  );
}

/** Those that no image has; images of whoever measures here are left alone. */
async function forgetLayers(): Promise<void> {
  await defaultClient().request("pruneImages", { query: { unusedForMs: Number.MAX_SAFE_INTEGER } });
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

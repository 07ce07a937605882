import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type DiskUse, type Isolation, Sandbox, Volume } from "@atoll/sdk";
import { type Daemon, daemon, endOf, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

const files = 12;
const pauseMs = 700;

/**
 * Writes one generation after the other into `NAME/gN`, and says which is whole by a link that is replaced at once. However a look at
 * the directory falls, what the link leads to is whole; so it must be in every commit.
 */
const generation = (name: string, number: number) => `
  set -e; mkdir -p /data/${name}/g${number}; cd /data/${name}
  for i in $(seq ${files}); do echo ${number} > g${number}/$i; done
  ln -s g${number} next; mv -T next current
  rm -rf g${number - 2}; echo ${name} > /data/both`;

const killed = 128 + 9;

interface Writer {
  readonly name: string;
  readonly sandbox: Sandbox;
  /** Its newest generation. */
  written: number;
  /** The newest that is known to be committed. */
  committed: number;
}

/** Checks that what is committed, at one moment, is whole, and for each writer no older than what was known to be committed before. */
async function check(volume: Volume, least: ReadonlyMap<string, number>): Promise<void> {
  const local = mkdtempSync(join(tmpdir(), "atoll-killed-"));
  try {
    await volume.copyToLocal("/", local);
    for (const [name, number] of least) checkWriter(local, name, number);
    checkOutside(join(local, "out"));
  } finally {
    rmSync(local, { recursive: true });
  }
}

function checkWriter(local: string, name: string, least: number): void {
  const current = join(local, name, "current");
  if (least === 0 && !existsSync(join(local, name))) return;
  const number = Number(readlinkSync(current).slice(1));
  assert.ok(number >= least, `${name} is at ${number}, and was committed at ${least}`);
  const contents = readdirSync(current).map((at) => readFileSync(join(current, at), "utf8"));
  assert.deepEqual(contents, Array(files).fill(`${number}\n`), name);
}

/** What changes from outside put there is the one or the other directory, as one batch. */
function checkOutside(out: string): void {
  if (!existsSync(out)) return;
  const [directory = "", ...others] = readdirSync(out);
  assert.deepEqual(others, []);
  const contents = readdirSync(join(out, directory)).map((at) => readFileSync(join(out, directory, at), "utf8"));
  assert.deepEqual(contents, Array(files).fill(contents[0]));
}

const committedOf = (writers: readonly Writer[]) => new Map(writers.map(({ name, committed }) => [name, committed]));

async function writes(writer: Writer, over: AbortSignal): Promise<void> {
  for (let number = 1; !over.aborted; number += 1) {
    const { returncode, stderr } = await shell(writer.sandbox, generation(writer.name, number));
    if (returncode === killed) throw new Error("the sandbox was ended");
    assert.equal(returncode, 0, stderr);
    writer.written = number;
    const act = number % 2 === 0 ? writer.sandbox.commitVolumes() : writer.sandbox.reloadVolumes();
    await act.then(() => {
      writer.committed = number;
    }, unlessWrong);
  }
}

async function changesFromOutside(volume: Volume, over: AbortSignal): Promise<void> {
  const batch = (content: string) =>
    Object.fromEntries(Array.from({ length: files }, (_, at) => [`out/x/${at}`, content]));
  for (let number = 0; !over.aborted; number += 1) {
    await volume.batch(batch(`${number}`)).catch(unlessWrong);
    await volume.renameFile("out/x", "out/y").catch(() => undefined);
    await volume.removeFile("out", { recursive: true }).catch(() => undefined);
  }
}

/** A call that a kill cut short may have been done or not. */
function unlessWrong(error: Error): void {
  if (error instanceof assert.AssertionError) throw error;
}

for (const [part, kills] of [
  ["daemon", 3],
  ["launcher", 1],
] as const)
  test(`a ${part} that is killed in commits, merges, reloads and changes from outside leaves each whole or not done`, async (t) => {
    const server = await daemon(t, { ATOLL_POOL: "0" });
    const volume = await Volume.fromName("killed", { createIfMissing: true, client: server.client });
    const writers = await Promise.all(isolationLevels.map((isolation) => newWriter(server, volume, isolation)));
    const over = new AbortController();
    // Those whose sandbox is lost with the launcher fail then.
    const ended = (error: Error) => (part === "launcher" ? unlessWrong(error) : Promise.reject(error));
    const atWork = writers.map((writer) => writes(writer, over.signal).catch(ended));
    const working = Promise.all([...atWork, changesFromOutside(volume, over.signal)]);
    working.catch(() => undefined);
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        await Promise.race([
          working,
          until("something is committed", () => writers.every(({ committed }) => committed > kill)),
        ]);
        await sleep(Math.random() * pauseMs);
        await killPart(server, part);
        const least = committedOf(writers);
        t.diagnostic(`restart ${kill + 1} answered after ${(await server.start()).toFixed(0)} ms`);
        await check(volume, least);
      }
    } finally {
      over.abort();
    }
    await working;
    for (const { sandbox } of writers) {
      if (part === "daemon") await sandbox.terminate();
      await endOf(sandbox);
    }
    // What was written last is committed, also by a server that found the sandbox gone.
    await check(volume, new Map(writers.map(({ name, written }) => [name, written])));
    await nothingIsLeft(server, volume);
  });

async function newWriter(server: Daemon, volume: Volume, isolation: Isolation): Promise<Writer> {
  const sandbox = await Sandbox.create({ isolation, client: server.client, volumes: { "/data": volume } });
  return { name: isolation, sandbox, written: 0, committed: 0 };
}

async function killPart(server: Daemon, part: "daemon" | "launcher"): Promise<void> {
  if (part === "daemon") return await server.kill();
  process.kill(server.launcherPid, "SIGKILL");
  await server.ended();
}

async function nothingIsLeft(server: Daemon, volume: Volume): Promise<void> {
  // The end of a sandbox is told before its copies are removed.
  await until("no copy is left", () => readdirSync(join(server.directory, "store/volume-copies")).length === 0);
  await server.gc(); // what the killed ones had in hand
  assert.deepEqual(await server.gc(), []);
  const { entries, layers }: DiskUse = JSON.parse((await server.atoll("df", "--json")).stdout);
  const of = (kind: string) => entries.find((entry) => entry.kind === kind);
  assert.deepEqual([of("volume_copies")?.count, of("other_layers")?.count], [0, 0]);
  assert.equal(of("volumes")?.sizeBytes, (await volume.info()).sizeBytes);
  const stored = readdirSync(join(server.directory, "store/layers")).filter((name) => !name.startsWith("base-"));
  assert.equal(stored.length, layers.count);
}

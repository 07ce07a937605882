import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Sandbox, Volume } from "@atoll/sdk";
import { type Daemon, daemon, endOf } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

const files = 40;
const batch = (content: string) =>
  Object.fromEntries(Array.from({ length: files }, (_, at) => [`d${at % 4}/f${at}`, content]));

/** The one content that all files have. */
async function contentOf(volume: Volume): Promise<string> {
  const found = (await volume.listFiles("/", { recursive: true })).filter(({ type }) => type === "file");
  const contents = new Set(await Promise.all(found.map(({ path }) => volume.readText(path))));
  assert.equal(contents.size, 1, [...contents].join());
  assert.equal(found.length, files);
  return [...contents][0] ?? "";
}

async function nothingIsLeft(server: Daemon, client: Client): Promise<void> {
  // The engines' own leftovers of a killed check are told there too.
  const { found } = await client.request("gc", {});
  assert.deepEqual(
    found.filter(({ what }) => what.startsWith(join(server.directory, "store"))),
    [],
  );
  for (const place of ["mounts", "volumes", "volume-copies"]) {
    const names = readdirSync(join(server.directory, "store"), { withFileTypes: true }).some(
      ({ name }) => name === place,
    )
      ? readdirSync(join(server.directory, "store", place))
      : [];
    assert.deepEqual(
      names.filter((name) => name !== "empty"),
      [],
      place,
    );
  }
}

test("a server killed at any moment of a commit leaves the last commit or the new one, and nothing else", async (t) => {
  const server = await daemon(t, { ATOLL_POOL: "0" });
  const { client } = server;
  const volume = await Volume.fromName("kept", { createIfMissing: true, client });
  await volume.batch(batch("0"));
  for (const [round, pauseMs] of [15, 60].entries()) {
    const before = await contentOf(volume);
    const writing = volume.batch(batch(`${round + 1}`)).catch((thrown) => thrown);
    await sleep(pauseMs);
    await server.kill();
    await server.start();
    await writing;
    assert.ok([before, `${round + 1}`].includes(await contentOf(volume)));
    await nothingIsLeft(server, client);
  }
  await Volume.delete("kept", { client });
  assert.deepEqual(
    readdirSync(join(server.directory, "store/layers")).filter((name) => !name.startsWith("base-")),
    [],
  );
});

test("what sandboxes wrote is committed by the next server, whether they run on or ended meanwhile", async (t) => {
  const server = await daemon(t, { ATOLL_POOL: "0" });
  const { client } = server;
  const begun = isolationLevels.map(async (isolation) => {
    const volume = await Volume.fromName(`v-${isolation}`, { createIfMissing: true, client });
    const options = { isolation, client, volumes: { "/data": volume } };
    const runsOn = await Sandbox.create(options);
    const ends = await Sandbox.create("sh", "-c", "sleep 3; echo late > /data/late; exit 3", options);
    await shell(runsOn, "echo early > /data/early");
    return { volume, runsOn, ends };
  });
  const pairs = await Promise.all(begun);
  await server.kill();
  await sleep(3500);
  await server.start();
  for (const { volume, runsOn, ends } of pairs) {
    assert.equal((await endOf(ends)).exitCode, 3);
    assert.equal(await volume.readText("late"), "late\n");
    await runsOn.reloadVolumes();
    assert.equal((await shell(runsOn, "cat /data/early /data/late")).stdout, "early\nlate\n");
    await runsOn.terminate();
    assert.equal(await volume.readText("early"), "early\n");
    await Volume.delete(volume.id, { client });
  }
});

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Image, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

const layersOf = ({ directory }: Daemon) =>
  readdirSync(join(directory, "store/layers")).filter((name) => !name.startsWith("base-"));

test("a snapshot whose time is over is removed with its layer by the next housekeeping, but not while a sandbox uses it", async (t) => {
  const server = await daemon(t, { ATOLL_POOL: "0" });
  const { client } = server;
  const left = async () => (await Image.list({ client })).map(({ id }) => id).toSorted();
  // Houses are kept from the start of a server on: a restart is the shortest way there.
  const keepHouse = async () => {
    await server.kill("SIGTERM");
    await server.start();
  };
  const first = await Sandbox.create({ isolation: "container", client });
  await shell(first, "mkdir /kept; echo kept > /kept/file");
  const lasting = await (await first.snapshotFilesystem({ ttlMs: 3_600_000 })).build({ client });
  const used = await (await first.snapshotFilesystem({ ttlMs: 1 })).build({ client });
  const mounted = await (await first.snapshotDirectory("/kept", { ttlMs: 1 })).build({ client });
  const users = await Promise.all(
    isolationLevels.map((isolation) => Sandbox.create({ image: used.id, isolation, client })),
  );
  await users[0]?.mountImage("/mounted", Image.fromId(mounted.id));
  const { stdout } = await server.atoll("snapshot", "--json", "--ttl", "1ms", "--name", "short", first.id);
  const { image: unused } = JSON.parse(stdout);
  assert.ok(Date.parse(unused.expiresAt) > Date.parse(unused.createdAt));
  const { expiresAt = "", createdAt } = await Image.info(lasting.id, { client });
  assert.ok(Math.abs(Date.parse(expiresAt) - Date.parse(createdAt) - 3_600_000) < 1000);
  await keepHouse();
  await until("the unused one is gone", async () => !(await left()).includes(unused.id));
  assert.deepEqual(await left(), [lasting.id, used.id, mounted.id].toSorted());
  for (const user of users) assert.equal((await shell(user, "cat /kept/file")).stdout, "kept\n");
  for (const user of users) await user.terminate();
  await until("the users are gone", async () => (await Array.fromAsync(Sandbox.list({ client }))).length === 1);
  await keepHouse();
  await until("only the one with time is left", async () => (await left()).length === 1);
  assert.deepEqual(await left(), [lasting.id]);
  await until("its layer is the only one", () => layersOf(server).length === 1);
  for (const ttlMs of [0, -1, 1.5, 1e15])
    await assert.rejects(first.snapshotFilesystem({ ttlMs }), { code: "invalid_argument" });
  await first.terminate();
});

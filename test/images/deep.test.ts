import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Image, type ImageInfo, Sandbox } from "@atoll/sdk";
import { daemon, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

/** With the base image and the snapshots of this test that is just as deep as an image may be. */
const directories = 118;

test("a chain of more than a hundred layers goes on, is merged under sandboxes that run, and survives the end of the server meanwhile", async (t) => {
  const server = await daemon(t, { ATOLL_POOL: "0" });
  const { client } = server;
  let image = Image.debianSlim();
  for (let number = 1; number <= directories; number += 1) image = image.workdir(`/made/${number}`);
  const deep = await image.build({ client });

  const chain: Sandbox[] = [];
  const snapshots: Image[] = [];
  for (const isolation of [...isolationLevels, ...isolationLevels]) {
    const sandbox = await Sandbox.create({ isolation, image: snapshots.at(-1) ?? deep.id, client });
    const number = chain.push(sandbox);
    await shell(
      sandbox,
      `echo ${number} > /${number}; rmdir /made/${number}; rm -rf /etc/apt; mkdir -p /made/new/${number}`,
    );
    snapshots.push(await sandbox.snapshotFilesystem());
  }
  await server.kill();
  await server.start();
  const depths = async () => (await Image.list({ client })).map((info: ImageInfo) => info.layers.length);
  await until("all are shallow", async () => (await depths()).every((depth) => depth <= 24), 300_000);

  const look = "cat /1 /2 /3 /4 2> /dev/null | tr '\\n' ' '; ls /made | wc -l; ls /made/new | wc -l; ls -d /etc/apt";
  for (const [index, sandbox] of chain.entries()) {
    const made = index + 1;
    const expected = `${"1 2 3 4 ".slice(0, 2 * made)}${directories - made + 1}\n${made}\n`;
    assert.equal((await shell(sandbox, look)).stdout, expected, "what runs is not disturbed");
    for (const isolation of isolationLevels) {
      await using copy = await Sandbox.create({ isolation, image: snapshots[index] ?? "", client });
      assert.equal((await shell(copy, look)).stdout, expected);
    }
    await sandbox.terminate();
  }
  for (const { id } of await Image.list({ client }))
    await until("it is not used", () =>
      Image.delete(id, { client }).then(
        () => true,
        (error) => error.code !== "conflict" && Promise.reject(error),
      ),
    );
  // What was merged is kept for a while for those who have looked it up; nobody has, of this server.
  await server.kill();
  await server.start();
  await client.request("pruneImages", {});
  await client.request("gc", {});
  const layers = readdirSync(join(server.directory, "store/layers"));
  assert.deepEqual(
    layers.filter((name) => !name.startsWith("base-")),
    [],
  );
});

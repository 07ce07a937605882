import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Sandbox, Volume } from "@atoll/sdk";
import { isolationLevels, shell } from "../support/isolation.ts";
import { free, onSmallMachine } from "../support/small-machine.ts";

const run = promisify(execFile);
const mebibyte = 1024 ** 2;

test("on a machine whose disk is full commits and changes from outside fail and change nothing, and are done once there is space", async (t) => {
  const { machine, server } = await onSmallMachine(t, { ATOLL_POOL: "0" });
  const { client } = server;
  const volume = await Volume.fromName("kept", { createIfMissing: true, client });
  await volume.batch({ "d/old": "1", "d/both": "1" });
  const sandboxes = await Promise.all(
    isolationLevels.map((isolation) => Sandbox.create({ isolation, client, volumes: { "/data": volume } })),
  );
  for (const [at, sandbox] of sandboxes.entries()) {
    const script = `head -c 20M /dev/urandom > /data/${at}; rm /data/d/both; cd /data; sha256sum ${at} > /sum; sync /data/${at}`;
    assert.equal((await shell(sandbox, script)).returncode, 0);
  }
  const [filler, rest] = [join(machine, "filler"), join(machine, "rest")];
  await run("fallocate", ["-l", String(free(machine) - mebibyte), filler]);
  // What is kept back for root too, but for a little: less than any of what follows needs.
  await run("dd", ["if=/dev/zero", `of=${rest}`, "bs=1M"]).catch(() => undefined);
  await run("truncate", ["--size=-8M", rest]);

  const isFull = { code: /^(no_space|capacity)$/, message: /disk is full/ };
  for (const sandbox of sandboxes) await assert.rejects(sandbox.commitVolumes(), isFull);
  await assert.rejects(volume.write("new", Buffer.alloc(20 * mebibyte, "x")), isFull);
  await assert.rejects(volume.batch({ a: "x", b: Buffer.alloc(20 * mebibyte, "x") }), isFull);
  await assert.rejects(Sandbox.create({ client, volumes: { "/data": volume } }), /disk is nearly full/);
  const entries = await volume.listFiles("/", { recursive: true });
  assert.deepEqual(
    entries.map(({ path }) => path),
    ["/d", "/d/both", "/d/old"],
  );
  for (const sandbox of sandboxes) assert.equal((await shell(sandbox, "cat /data/d/old")).stdout, "1");

  await rm(filler);
  await rm(rest);
  for (const sandbox of sandboxes) await sandbox.reloadVolumes();
  for (const sandbox of sandboxes) {
    await sandbox.reloadVolumes();
    const seen = await shell(sandbox, "cd /data; ls . d; sha256sum --check --quiet /sum && echo whole");
    assert.equal(seen.stdout, ".:\n0\n1\nd\n\nd:\nold\nwhole\n");
  }
  await Promise.all(sandboxes.map((sandbox) => sandbox.terminate()));
  assert.deepEqual((await client.request("gc", {})).found, []);
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Image, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, until } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";

const layersOf = ({ directory }: Daemon) =>
  readdirSync(join(directory, "store/layers")).filter((name) => !name.startsWith("base-"));
const mountsOf = ({ directory }: Daemon) =>
  readdirSync(join(directory, "store"), { withFileTypes: true })
    .filter(({ name }) => name === "mounts")
    .flatMap(() => readdirSync(join(directory, "store/mounts")))
    .filter((name) => name !== "empty");

test("a server killed in the middle of builds leaves no broken image and no layer that nothing has", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  const done = Image.debianSlim().runCommands("echo kept > /kept");
  const { id } = await done.build({ client });
  for (const pauseMs of [50, 400]) {
    const writing = done.runCommands(`head -c 60M /dev/urandom > /${pauseMs}; echo written`);
    let isWritten = false;
    const building = writing
      .build({ client, onOutput: (event) => (isWritten ||= event.event === "output") })
      .catch((thrown) => thrown);
    await until("the step has written", () => isWritten);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await server.kill();
    await server.start();
    // It goes on with the restarted server, or was answered before.
    await building;
  }
  await until("nothing is under way", async () => (await Array.fromAsync(Sandbox.list({ client }))).length === 0);
  const { images } = await client.request("pruneImages", {});
  assert.ok(images.includes(id));
  assert.deepEqual(layersOf(server), []);
  assert.deepEqual(mountsOf(server), []);
  assert.deepEqual((await client.request("gc", {})).found, []);
  const again = await done.build({ client });
  await using sandbox = await Sandbox.create({ image: again.id, client });
  assert.equal((await shell(sandbox, "cat /kept")).stdout, "kept\n");
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  test(`a step that runs when the server ends by ${signal} is ended by the next one`, async (t) => {
    const server = await daemon(t);
    const { client } = server;
    const gone = new AbortController();
    let hasBegun = false;
    const building = Image.debianSlim()
      .runCommands("echo begun; sleep 600")
      .build({ client, signal: gone.signal, onOutput: (event) => (hasBegun ||= event.event === "output") })
      .catch((thrown) => thrown);
    await until("the step runs", () => hasBegun);
    gone.abort();
    const stopping = server.kill(signal);
    await building;
    await stopping;
    await server.start();
    await until("its sandbox is gone", async () => (await Array.fromAsync(Sandbox.list({ client }))).length === 0);
    assert.deepEqual((await client.request("gc", {})).found, []);
  });
}

test("a server killed in the middle of a snapshot lets the sandbox go on, and keeps nothing of the snapshot", async (t) => {
  const server = await daemon(t);
  const { client } = server;
  for (const isolation of isolationLevels) {
    const sandbox = await Sandbox.create({ isolation, client });
    await shell(sandbox, "mkdir /d; for i in $(seq 1500); do echo $i > /d/$i; done; head -c 200M /dev/zero > /d/zeros");
    const snapshot = sandbox.snapshotFilesystem().catch((thrown) => thrown);
    await until("the copy has begun", () => layersOf(server).some((name) => name.endsWith(".partial")));
    await server.kill();
    await server.start();
    await snapshot;
    assert.equal((await shell(sandbox, "ls /d | wc -l")).stdout, "1501\n");
    const whole = await sandbox.snapshotFilesystem();
    await using copy = await Sandbox.create({ image: whole, isolation, client });
    assert.equal((await shell(copy, "ls /d | wc -l; cat /d/1500")).stdout, "1501\n1500\n");
    await sandbox.terminate();
    await copy.terminate();
  }
  const kept = await Image.list({ client });
  for (const { id } of kept) {
    await until("its sandboxes are gone", () =>
      Image.delete(id, { client }).then(
        () => true,
        (error) => {
          if (error.code === "conflict") return false;
          throw error;
        },
      ),
    );
  }
  assert.deepEqual(layersOf(server), []);
  assert.deepEqual((await client.request("gc", {})).found, []);
});

test("the machine's registry settings reach build steps, and neither layers nor anything else that is kept", async (t) => {
  const planted = `planted-${process.pid}-${Date.now()}`;
  const server = await daemon(t, { PIP_EXTRA_INDEX_URL: `http://user:${planted}@127.0.0.1:9/simple` });
  const { client } = server;
  const image = Image.debianSlim().runCommands(
    'test -n "$PIP_EXTRA_INDEX_URL" && test -s "$SSL_CERT_FILE" && mkdir /made',
  );
  const { id } = await image.build({ client });
  await using sandbox = await Sandbox.create({ image: id, client });
  assert.equal((await shell(sandbox, "env | grep -E 'PIP|CERT'; ls -A /dev/shm; ls -d /made")).stdout, "/made\n");
  const found = spawnSync("grep", ["-rlF", "--exclude-dir=base-*", "--devices=skip", "--", planted, server.directory]);
  assert.equal(found.stdout.toString(), "");
});

test("prune removes what was built and has no name, and nothing else", async (t) => {
  const { client, ...server } = await daemon(t).then((made) => ({ client: made.client, made }));
  const built = await Image.debianSlim().runCommands("echo built").build({ client });
  const named = await Image.debianSlim().runCommands("echo named").publish("kept", { client });
  await using sandbox = await Sandbox.create({ image: built.id, client });
  const snapshot = await (await sandbox.snapshotFilesystem()).build({ client });
  const prune = (dryRun: boolean) => client.request("pruneImages", { query: { dryRun } });
  assert.deepEqual((await prune(false)).images, [], "a sandbox uses it");
  await sandbox.terminate();
  await until("the sandbox is gone", async () => (await prune(true)).images.length > 0);
  assert.ok(
    (await Image.list({ client })).some(({ id }) => id === built.id),
    "a dry run removes nothing",
  );
  assert.deepEqual((await prune(false)).images, [built.id]);
  const left = (await Image.list({ client })).map(({ id }) => id);
  assert.deepEqual(left.toSorted(), [named.id, snapshot.id].toSorted());
  // The snapshot stands on the layer of the image that was pruned.
  await using copy = await Sandbox.create({ image: snapshot.id, client });
  assert.equal((await shell(copy, "echo runs")).stdout, "runs\n");
  assert.equal(layersOf(server.made).length, 3);
});

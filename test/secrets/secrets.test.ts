import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Image, NotFoundError, Sandbox, Secret, Volume } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { eachIsolation, isolationLevels, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

eachIsolation((isolation) => {
  test("env wins over secrets, values in hand over kept ones, later over earlier, and all over the image", async (t) => {
    const [first, second] = [`one-${isolation}-${process.pid}`, `two-${isolation}-${process.pid}`];
    t.after(() => Promise.all([first, second].map((name) => Secret.delete(name).catch(() => undefined))));
    await Secret.put(first, { A: "first", B: "first", C: "first", D: "first" });
    await Secret.put(second, { B: "second", C: "second", D: "second" });
    const image = Image.debianSlim().env({ A: "image", Z: "image" });
    const secrets = [Secret.fromObject({ C: "object", D: "object" }), first, Secret.fromName(second)];
    const options = { secrets, env: { D: "env" } };
    const script = 'echo "$A $B $C $D $Z"';
    await using sandbox = await newSandbox({ isolation, image, ...options });
    assert.equal((await shell(sandbox, script)).stdout, "first second object env image\n");
    const exec = await sandbox.exec("sh", "-c", script, { secrets: [second], env: { B: "exec" } });
    assert.equal(await exec.stdout.read(), "first exec second second image\n");
    await assert.rejects(newSandbox({ isolation, secrets: ["no-such-secret"] }), NotFoundError);
  });
});

test("a secret's value is in no file, log, answer or argument of the server, nor in what sandboxes leave", async (t) => {
  const server = await daemon(t, { ATOLL_LOG_LEVEL: "trace" });
  const { client, directory } = server;
  const value = `planted-${process.pid}-${Math.random().toString(36).slice(2)}`;
  await Secret.put("kept", { KEPT: value }, { client });
  const volume = await Volume.fromName("data", { createIfMissing: true, client });
  const image = Image.debianSlim().runCommands('test -n "$KEPT"; echo built > /built', { secrets: ["kept"] });
  const built = await image.build({ client });
  const told: unknown[] = [built, await Secret.list({ client })];
  for (const isolation of isolationLevels) {
    const secrets = ["kept", Secret.fromObject({ OWN: `own-${value}` })];
    const sandbox = await Sandbox.create({ isolation, client, secrets, image: built.id, volumes: { "/data": volume } });
    assert.equal((await shell(sandbox, 'test -n "$KEPT$OWN" && echo there > /data/f && echo there')).stdout, "there\n");
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      assert.equal(argumentsOf(pid).includes(value), false, `arguments of ${pid}`);
    }
    told.push(await sandbox.info());
    await sandbox.snapshotFilesystem();
    await sandbox.terminate();
    told.push(await sandbox.info());
  }
  const failed = await Secret.put("kept", { "not a name": value }, { client }).catch((error) => error);
  assert.equal(failed.code, "invalid_argument");
  told.push([failed.message, failed.hint]);
  assert.equal(JSON.stringify(told).includes(value), false);
  await server.kill("SIGTERM");
  assert.deepEqual(filesWith(directory, value), []);
  assert.notDeepEqual(filesWith(directory, "built"), [], "what is there is found");
  await server.start();
});

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has ended
  }
}

/** Files below a directory that have the text; programs and base images are not the server's own. */
function filesWith(directory: string, text: string): string[] {
  // With -z, grep passes over the holes of sparse disks.
  const argv = ["-rlzF", "--exclude-dir=base-*", "--exclude-dir=tools", "--", text, directory];
  const { status, stdout, stderr } = spawnSync("grep", argv, { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

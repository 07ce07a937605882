import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { useServer } from "../support/server.ts";
import { atoll, start, succeed } from "./atoll.ts";

useServer();

describe("the server's verbs", () => {
  test("status shows process, address, version, counts and isolation levels", async () => {
    const status = JSON.parse(await succeed("status", "--json"));
    assert.equal(status.address, process.env.ATOLL_URL);
    assert.ok(Number.isInteger(status.sandboxes.running));
    const text = await succeed("status");
    assert.match(text, new RegExp(`^Process: +${status.pid}$`, "m"));
    assert.match(text, /^Sandboxes: +\d+ running, /m);
    assert.match(text, /^(gvisor|container): +(un)?available: /m);
  });

  test("status without a server says so, starts none and exits with 1", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "atoll-none-"));
    t.after(() => rm(directory, { recursive: true }));
    const env = { ATOLL_URL: "", ATOLL_TOKEN: "", ATOLL_STATE_DIR: directory };
    const { code, stdout } = await atoll(["status"], { env });
    assert.equal(code, 1);
    assert.match(stdout, /^no server runs for /);
    assert.equal((await atoll(["stop"], { env })).stdout, "no server runs\n");
  });

  test("doctor names every requirement, and is content where sandboxes run", async () => {
    const { code, stdout } = await atoll(["doctor"]);
    assert.equal(code, 0);
    for (const name of ["crun", "nft", "native programs", "runsc", "base image"]) {
      assert.match(stdout, new RegExp(`^ {2}(ok|--) {2}${name} `, "m"));
    }
    assert.match(stdout, /^ {2}(ok|no) {2}container /m);
    assert.match(stdout, /cgroups: +v[12]/);
    const report = JSON.parse((await atoll(["doctor", "--json"])).stdout);
    assert.ok(report.isolations.some(({ available }: { available: boolean }) => available));
  });

  test("gc --dry-run finds, and gc removes, what belongs to no sandbox", async () => {
    assert.ok(Array.isArray(JSON.parse(await succeed("gc", "--dry-run", "--json")).found));
  });

  test("a server of its own directory: serve, what sandboxes outlive, and stop", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "atoll-serve-"));
    const env = { ATOLL_URL: "", ATOLL_TOKEN: "", ATOLL_STATE_DIR: directory };
    const foreground = start(["serve"], { env });
    t.after(async () => {
      foreground.child.kill();
      await foreground.finished;
      await atoll(["stop"], { env });
      await rm(directory, { recursive: true });
    });
    await foreground.seen(/listening/);
    const again = await atoll(["serve"], { env });
    assert.equal(again.code, 125);
    assert.match(again.stderr, /serves this state directory already/);
    const { stdout: created } = await atoll(["create"], { env });
    const id = created.trim();
    foreground.child.kill("SIGINT");
    assert.equal((await foreground.finished).code, 0);

    const { code, stdout } = await atoll(["serve", "--detach"], { env });
    assert.equal(code, 0);
    assert.equal(JSON.parse(await readFile(join(directory, "server.json"), "utf8")).url, stdout.trim());
    assert.equal((await atoll(["poll", id], { env })).stdout, "running\n");
    const stopped = JSON.parse((await atoll(["stop", "--json"], { env })).stdout);
    assert.deepEqual(stopped.terminated, [id]);
    assert.equal((await atoll(["status"], { env })).code, 1);
  });
});

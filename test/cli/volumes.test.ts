import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { useServer } from "../support/server.ts";
import { atoll, succeed } from "./atoll.ts";

useServer();

test("a volume is made, filled, mounted, read and deleted by the command", async (t) => {
  const name = `cli-volume-${process.pid}`;
  const local = mkdtempSync(join(tmpdir(), "atoll-volume-"));
  t.after(() => rmSync(local, { recursive: true }));
  t.after(() => atoll(["volume", "delete", name]));
  mkdirSync(join(local, "src"));
  writeFileSync(join(local, "src/a"), "from here\n");
  assert.equal(await succeed("volume", "create", "--limit", "64MiB", name), name);
  await succeed("volume", "put", name, join(local, "src"));
  await atoll(["volume", "put", name, "-", "/b"], { input: "from stdin\n" });
  const script = "cat /v/src/a /v/b; echo from inside > /v/c";
  assert.equal(await succeed("run", "--volume", `${name}:/v`, "--", "sh", "-c", script), "from here\nfrom stdin");
  assert.equal(await succeed("volume", "get", name, "/c", "-"), "from inside");
  const refused = await atoll(["run", "--volume", `${name}:/v:ro,subpath=src`, "--", "sh", "-c", "cat /v/a; > /v/c"]);
  assert.equal(refused.stdout, "from here\n");
  assert.match(refused.stderr, /Read-only file system/);
  await succeed("volume", "cp", name, "/c", "/src/c");
  await succeed("volume", "mv", name, "/src/a", "/src/z");
  await succeed("volume", "get", name, "/src", join(local, "copy"));
  assert.equal(readFileSync(join(local, "copy/z"), "utf8"), "from here\n");
  await succeed("volume", "rm", "--recursive", name, "/src");
  const listed = JSON.parse(await succeed("volume", "ls", "--json", "-r", name)) as { path: string }[];
  assert.deepEqual(
    listed.map(({ path }) => path),
    ["/b", "/c"],
  );
  assert.match(await succeed("volume", "ls"), new RegExp(`^${name} +vo-\\S+ +committed .* 64 MiB `, "m"));
  assert.equal(await succeed("volume", "delete", name), name);
  const gone = await atoll(["volume", "ls", name]);
  assert.equal(gone.code, 125);
  assert.match(gone.stderr, /cannot find the volume/);
});

test("a volume that is written wrong is told how to be written", async () => {
  const { code, stderr } = await atoll(["run", "--volume", "cache", "--", "true"]);
  assert.equal(code, 2);
  assert.match(stderr, /VOLUME:\/path/);
});

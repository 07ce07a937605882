import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { useServer } from "../support/server.ts";
import { atoll, idleSandbox, succeed } from "./atoll.ts";

useServer();

test("cp copies files, directories and streams both ways", async (t) => {
  const id = await idleSandbox(t);
  const directory = await mkdtemp(join(tmpdir(), "atoll-cp-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const source = join(directory, "source");
  await mkdir(join(source, "below"), { recursive: true });
  await writeFile(join(source, "below/file"), "content");
  await symlink("below/file", join(source, "link"));

  await succeed("cp", "-r", source, `${id}:/srv`);
  assert.equal(await succeed("exec", id, "--", "cat", "/srv/source/link"), "content");
  await succeed("cp", source, `${id}:/srv/renamed`);
  assert.equal(await succeed("exec", id, "--", "cat", "/srv/renamed/below/file"), "content");
  await succeed("cp", `${id}:/srv/renamed`, directory);
  assert.deepEqual((await readdir(join(directory, "renamed"))).sort(), ["below", "link"]);
  await succeed("cp", `${id}:/srv/renamed/below/file`, join(directory, "one"));
  assert.equal(await readFile(join(directory, "one"), "utf8"), "content");

  const written = await atoll(["cp", "--user", "nobody", "-", `${id}:/tmp/from stdin`], { input: "through a pipe" });
  assert.deepEqual([written.code, written.stderr], [0, ""]);
  assert.equal(await succeed("cp", `${id}:/tmp/from stdin`, "-"), "through a pipe");
  assert.equal(await succeed("exec", id, "--", "stat", "-c", "%U", "/tmp/from stdin"), "nobody");
});

test("cp says what is wrong with its arguments and with files", async (t) => {
  const id = await idleSandbox(t);
  for (const [from = "", to = ""] of [
    ["a", "b"],
    [`${id}:/a`, `${id}:/b`],
    ["-", "-"],
    [`${id}:relative`, "."],
  ]) {
    assert.equal((await atoll(["cp", from, to])).code, 2);
  }
  const missing = await atoll(["cp", `${id}:/no/such/file`, "."]);
  assert.equal(missing.code, 125);
  assert.match(missing.stderr, /cannot look at \/no\/such\/file: there is no such file/);
  const local = await atoll(["cp", "/no/such/file", `${id}:/tmp/`]);
  assert.equal(local.code, 125);
  assert.match(local.stderr, /cannot copy \/no\/such\/file/);
});

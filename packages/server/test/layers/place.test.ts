import assert from "node:assert/strict";
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeDirectories, placeIn } from "../../src/layers/place.ts";
import { temporaryDirectory } from "../support/state.ts";

test("links in a tree are followed inside it, however they are written", async (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, "real/inner"), { recursive: true });
  writeFileSync(join(root, "real/file"), "");
  symlinkSync("/real", join(root, "absolute"));
  symlinkSync("../../../../real", join(root, "real/inner/up"));
  symlinkSync("loop", join(root, "loop"));
  const found = async (path: string) => {
    const place = await placeIn(root, path);
    return `${place.path} ${place.exists}`;
  };
  assert.equal(await found("/absolute/inner/"), "real/inner true");
  assert.equal(await found("/real/inner/up/inner/new/dir"), "real/inner/new/dir false");
  assert.equal(await found("/../../real"), "real true");
  assert.equal(await found("/"), " true");
  assert.equal(await found("/absolute/file"), "real/file true");
  await assert.rejects(placeIn(root, "/loop/x"), { code: "invalid_argument" });
  await assert.rejects(placeIn(root, "/real/file/x"), { code: "invalid_argument" });
});

test("directories on the way keep the mode and owner that they have below", async (t) => {
  const below = temporaryDirectory(t);
  const layer = temporaryDirectory(t);
  mkdirSync(join(below, "tmp"), { mode: 0o777 });
  chmodSync(join(below, "tmp"), 0o1777);
  await makeDirectories(layer, below, "tmp/new");
  assert.equal(statSync(join(layer, "tmp")).mode & 0o7777, 0o1777);
  assert.equal(statSync(join(layer, "tmp/new")).mode & 0o7777, 0o755);
});

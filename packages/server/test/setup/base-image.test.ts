import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { baseImageRecipe } from "../../src/setup/base-image-recipe.ts";
import { ensureBaseImage, findBaseImage, layersDirectory } from "../../src/setup/ensure-base-image.ts";
import { distributionOf, readMachine } from "../../src/setup/machine.ts";

const distribution = distributionOf(await readMachine());
assert.ok(distribution, "tests run on Debian or Ubuntu");
const recipe = baseImageRecipe(distribution);
const cache = process.env.ATOLL_BASE_IMAGE_CACHE;
const never = new AbortController().signal;

async function stateDirectory(t: { after(done: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "atoll-base-image-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test("an interrupted making leaves nothing behind, and what a killed one left is cleared away", async (t) => {
  const state = await stateDirectory(t);
  const left = join(layersDirectory(state), `${recipe.name}.partial`);
  await mkdir(left, { recursive: true });
  await writeFile(join(left, "half"), "");
  const controller = new AbortController();
  const step = {
    update: (stage: string) => {
      assert.equal(existsSync(join(left, "half")), false);
      if (stage.startsWith("downloading")) controller.abort(new Error("given up"));
    },
  };
  delete process.env.ATOLL_BASE_IMAGE_CACHE;
  t.after(() => {
    if (cache) process.env.ATOLL_BASE_IMAGE_CACHE = cache;
  });
  await assert.rejects(ensureBaseImage(state, recipe, step, controller.signal), /given up/);
  assert.deepEqual(await readdir(layersDirectory(state)), []);
  assert.equal(await findBaseImage(state, recipe), undefined);
  assert.equal((await readFile("/proc/self/mounts", "utf8")).includes(state), false);
});

test("the image has Python and pip, and nothing of this machine", async (t) => {
  const state = await stateDirectory(t);
  await ensureBaseImage(state, recipe, { update: () => undefined }, never);
  const tree = await findBaseImage(state, recipe);
  assert.ok(tree);
  assert.equal((await stat(tree)).mode & 0o777, 0o755, "a sandbox's user must be able to enter it");
  for (const path of ["usr/bin/python3", "usr/bin/python", "usr/bin/pip", "usr/bin/curl", "usr/bin/ps"]) {
    assert.ok(existsSync(join(tree, path)) || (await readdir(join(tree, "usr/bin"))).includes(path.slice(8)), path);
  }
  const libraries = await readdir(join(tree, "usr/lib"));
  const python = libraries.find((name) => /^python3\.\d+$/.test(name));
  assert.ok(python);
  assert.equal(existsSync(join(tree, "usr/lib", python, "EXTERNALLY-MANAGED")), false);
  assert.deepEqual(await readdir(join(tree, "dev")), []);
  assert.equal(await readFile(join(tree, "etc/resolv.conf"), "utf8"), "");
  assert.equal(await readFile(join(tree, "etc/hostname"), "utf8"), "");
  assert.deepEqual(
    (await readdir(join(tree, "etc/apt/apt.conf.d"))).filter((name) => name.includes("machine")),
    [],
  );
  assert.match(await readFile(join(tree, "etc/apt/sources.list"), "utf8"), new RegExp(` ${distribution.codename} `));
  assert.deepEqual(
    (await readdir(join(tree, "usr/share/locale"))).filter((name) => name !== "locale.alias"),
    [],
  );
});

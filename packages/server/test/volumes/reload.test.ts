import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { carryOut, planReload, settle } from "../../src/volumes/catch-up.ts";
import { difference, readManifest } from "../../src/volumes/manifest.ts";

/** A volume as others have left it, and a working copy of what it was before; the sandbox has changed `own` since. */
function directories(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "atoll-reload-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const [view, copy] = [join(directory, "view"), join(directory, "copy")];
  const put = (root: string, files: Readonly<Record<string, string>>) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(root, path, ".."), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  };
  put(copy, { same: "1", changed: "1", own: "1", "gone/a": "1", "gone/b": "1", "kind/file": "1", link: "1" });
  put(view, { same: "1", changed: "22", own: "1", "new/deep/a": "2", "new/b": "2", kind: "now a file" });
  symlinkSync("same", join(view, "link"));
  const sandboxWrites = () => put(copy, { own: "the sandbox's", "mine/f": "the sandbox's" });
  return { view, copy, sandboxWrites };
}

test("a reload that is cut short anywhere leaves nothing that looks like the sandbox's own but what is", async (t) => {
  for (let done = 0, steps = 1; done <= steps; done += 1) {
    const { view, copy, sandboxWrites } = directories(t);
    const committed = await readManifest(copy);
    sandboxWrites();
    const plan = await planReload(view, copy, committed);
    steps = plan.size;
    await carryOut(new Map([...plan].slice(0, done)), view, copy);
    // One that is replaced by another kind of file is away for a moment.
    const [next, look] = [...plan][done] ?? [];
    if (look !== "" && next !== undefined) rmSync(join(copy, next), { recursive: true, force: true });
    const known = await settle(plan, copy, committed, false);
    const { put, removed } = difference(known, await readManifest(copy));
    assert.deepEqual([put.toSorted(), removed], [["mine", "mine/f", "own"], []], `after ${done} of ${steps}`);
  }
});

test("the reload after one that was cut short brings the rest", async (t) => {
  const { view, copy, sandboxWrites } = directories(t);
  const committed = await readManifest(copy);
  sandboxWrites();
  const first = await planReload(view, copy, committed);
  await carryOut(new Map([...first].slice(0, 3)), view, copy);
  const known = await settle(first, copy, committed, false);
  const second = await planReload(view, copy, known);
  await carryOut(second, view, copy);
  const names = readdirSync(copy, { recursive: true }).toSorted();
  assert.deepEqual(names, [
    "changed",
    "kind",
    "link",
    "mine",
    "mine/f",
    "new",
    "new/b",
    "new/deep",
    "new/deep/a",
    "own",
    "same",
  ]);
  const { put, removed } = difference(await settle(second, copy, known, true), await readManifest(copy));
  assert.deepEqual([put.toSorted(), removed], [["mine", "mine/f", "own"], []]);
});

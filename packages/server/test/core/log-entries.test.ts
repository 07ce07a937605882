import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { entriesOf, newestEntries } from "../../src/processes/log-entries.ts";
import { OutputBudget } from "../../src/processes/output-budget.ts";
import { OutputLog } from "../../src/processes/output-log.ts";
import { inOrder, type Mark, OutputTimes } from "../../src/processes/output-times.ts";
import { temporaryDirectory } from "../support/state.ts";

const always = { since: 0, until: Number.POSITIVE_INFINITY };
const patience = () => AbortSignal.timeout(10_000);

/** A stream that has ended, with these marks behind the first at 1000. */
function streamOf(t: TestContext, text: string, marks: readonly Mark[] = []) {
  const path = join(temporaryDirectory(t), "1.stdout");
  writeFileSync(path, text);
  const numbers = new Float64Array(marks.flatMap(({ offset, at }) => [offset, at]));
  writeFileSync(`${path}.times`, new Uint8Array(numbers.buffer));
  const keptBytes = Buffer.byteLength(text);
  const log = new OutputLog(path, {
    keptBytes,
    limitBytes: keptBytes,
    budget: new OutputBudget(Number.POSITIVE_INFINITY),
    times: new OutputTimes(`${path}.times`, 1000),
    onKept: () => undefined,
    onWriteError: (error) => assert.fail(String(error)),
  });
  log.end(keptBytes);
  return { name: "stdout", log, end: keptBytes } as const;
}

test("lines have the time at which their first byte came, and a range takes those that began in it", async (t) => {
  const stream = streamOf(t, "a\nbb\nccc\nrest", [
    { offset: 3, at: 2000 },
    { offset: 5, at: 3000 },
  ]);
  const all = await newestEntries([stream], always, 100, patience());
  assert.deepEqual(
    all.map(({ at, text }) => [at, text]),
    [
      [1000, "a\n"],
      [1000, "bb\n"],
      [3000, "ccc\n"],
      [3000, "rest"],
    ],
  );
  const texts = async (since: number, until: number) =>
    (await newestEntries([stream], { since, until }, 100, patience())).map(({ text }) => text);
  assert.deepEqual(await texts(1500, 9000), ["ccc\n", "rest"]);
  assert.deepEqual(await texts(0, 3000), ["a\n", "bb\n"]);
  assert.deepEqual(await texts(4000, 9000), []);
});

test("the newest lines are found from the end, however many come before, and a search looks at all", async (t) => {
  const lines = Array.from({ length: 100_000 }, (_, index) => `line ${index}\n`);
  const stream = streamOf(t, lines.join(""));
  for (const limit of [1, 2, 1000, 99_999, 100_000, 200_000]) {
    const newest = await newestEntries([stream], always, limit, patience());
    assert.deepEqual(
      newest.map(({ text }) => text),
      lines.slice(-limit),
    );
  }
  const found = await newestEntries([stream], { ...always, search: "line 7777" }, 3, patience());
  assert.deepEqual(
    found.map(({ text }) => text),
    ["line 77777\n", "line 77778\n", "line 77779\n"],
  );
  assert.equal((await Array.fromAsync(entriesOf(stream, always, patience()))).flat().length, 100_000);
});

test("a line without an end is cut between characters, and no byte is lost", async (t) => {
  const text = `${"ü".repeat(100_000)}\nlast`;
  const parts = (await newestEntries([streamOf(t, text)], always, 100, patience())).map((entry) => entry.text);
  assert.equal(parts.join(""), text);
  assert.ok(parts.every((part) => Buffer.byteLength(part) <= 64 * 1024 && !part.includes("\ufffd")));
});

test("two streams are put together by time", async (t) => {
  const stdout = streamOf(t, "one\nthree\n", [{ offset: 4, at: 3000 }]);
  const stderr = { ...streamOf(t, "two\n", []), name: "stderr" } as const;
  const texts = (await newestEntries([stderr, stdout], always, 2, patience())).map(({ text }) => text);
  assert.deepEqual(texts, ["one\n", "three\n"]);
});

test("marks of bytes that came twice give way to the later ones, and half a mark is written over", async (t) => {
  const marks = [0, 10, 20, 15, 30].map((offset, at) => ({ offset, at }));
  assert.deepEqual(
    inOrder(marks).map(({ at }) => at),
    [0, 1, 3, 4],
  );
  const path = join(temporaryDirectory(t), "1.stdout.times");
  writeFileSync(path, Buffer.alloc(16));
  appendFileSync(path, "torn");
  const times = new OutputTimes(path, 0);
  times.note(42);
  await times.write();
  assert.equal(readFileSync(path).length, 32);
  assert.deepEqual((await times.marks()).at(-1)?.offset, 42);
});

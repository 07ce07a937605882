import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { OutputBudget } from "../../src/processes/output-budget.ts";
import { OutputLog, type OutputLogOptions, unacknowledgedBytes } from "../../src/processes/output-log.ts";
import { OutputTimes } from "../../src/processes/output-times.ts";
import { temporaryDirectory, undoAfter } from "../support/state.ts";

interface Made {
  readonly log: OutputLog;
  readonly path: string;
  /** Offsets up to which init was told to forget. */
  readonly kept: number[];
}

function make(t: TestContext, options: Partial<OutputLogOptions> = {}): Made {
  const path = join(temporaryDirectory(t), "output", "1.stdout");
  const kept: number[] = [];
  const log = new OutputLog(path, {
    keptBytes: 0,
    limitBytes: Number.MAX_SAFE_INTEGER,
    budget: new OutputBudget(Number.MAX_SAFE_INTEGER),
    times: new OutputTimes(`${path}.times`, Date.now()),
    onKept: (offset) => kept.push(offset),
    onWriteError: () => undefined,
    ...options,
  });
  undoAfter(t, () => log.suspend());
  return { log, path, kept };
}

const patience = () => AbortSignal.timeout(10_000);

async function readAll(log: OutputLog, offset = 0, follow = true): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of log.read(offset, follow, patience())) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Bytes that say where they are. */
function pattern(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, index) => ((from + index) * 31) % 251));
}

/** Feeds a log as init does: never more than it may hold without an acknowledgement. */
async function feed(log: OutputLog, total: number, size: (offset: number) => number): Promise<void> {
  let offset = 0;
  while (offset < total) {
    const next = Math.min(total, offset + size(offset));
    await log.changed.until(() => log.unwrittenBytes + (next - offset) <= unacknowledgedBytes, patience());
    log.append(offset, pattern(offset, next));
    offset = next;
  }
  log.end(total);
}

test("readers that come early, late and in the middle all read the same bytes, in small and large writes", async (t) => {
  const { log, path } = make(t);
  const total = 3_000_000;
  const early = readAll(log);
  const middle = readAll(log, 1_234_567);
  await feed(log, total, (offset) => (offset % 7 === 0 ? 65_536 : 1 + (offset % 1000)));
  const expected = pattern(0, total);
  assert.ok((await early).equals(expected));
  assert.ok((await middle).equals(expected.subarray(1_234_567)));
  assert.ok((await readAll(log)).equals(expected));
  await log.changed.until(() => log.isComplete, patience());
  assert.ok(readFileSync(path).equals(expected));
});

test("init is told to forget only what is in the file", async (t) => {
  const { log, path, kept } = make(t, {
    onKept: (offset) => {
      assert.ok(statSync(path).size >= offset);
      kept.push(offset);
    },
  });
  log.append(0, pattern(0, 5000));
  assert.deepEqual(kept, []);
  log.end(5000);
  await log.changed.until(() => log.isComplete, patience());
  assert.equal(kept.at(-1), 5000);
});

test("bytes that init repeats after a reconnection are taken once, and acknowledged", async (t) => {
  const { log, kept } = make(t);
  log.append(0, pattern(0, 1000));
  await log.changed.until(() => log.unwrittenBytes === 0, patience());
  assert.equal(log.resume(), 1000);
  log.append(1000, pattern(1000, 2000));
  const before = log.resume();
  log.append(before, pattern(before, 2500));
  log.end(2500);
  await log.changed.until(() => log.isComplete, patience());
  assert.ok((await readAll(log)).equals(pattern(0, 2500)));
  assert.equal(kept.at(-1), 2500);
});

test("init is never told to forget what the new connection has not brought yet", async (t) => {
  const { log, kept } = make(t);
  log.append(0, pattern(0, 1000));
  assert.equal(log.resume(), 0);
  await log.changed.until(() => log.unwrittenBytes === 0, patience());
  assert.ok(kept.every((offset) => offset === 0));
  log.append(0, pattern(0, 400));
  assert.equal(kept.at(-1), 400);
  log.append(400, pattern(400, 1000));
  assert.equal(kept.at(-1), 1000);
});

test("a log that is opened again continues at the length of its file", async (t) => {
  const { log, path } = make(t);
  log.append(0, pattern(0, 100_000));
  await log.changed.until(() => log.unwrittenBytes === 0, patience());
  await log.suspend();
  const again = new OutputLog(path, {
    keptBytes: statSync(path).size,
    limitBytes: Number.MAX_SAFE_INTEGER,
    budget: new OutputBudget(Number.MAX_SAFE_INTEGER),
    times: new OutputTimes(`${path}.times`, Date.now()),
    onKept: () => undefined,
    onWriteError: () => undefined,
  });
  again.append(100_000, pattern(100_000, 150_000));
  again.end(150_000);
  assert.ok((await readAll(again)).equals(pattern(0, 150_000)));
});

test("a gap, bytes after the end, a wrong end and more than init may hold are violations", (t) => {
  const { log } = make(t);
  log.append(0, pattern(0, 10));
  assert.throws(() => log.append(11, pattern(11, 12)), /was next/);
  assert.throws(() => log.end(11), /was next/);
  assert.throws(() => log.append(10, Buffer.alloc(unacknowledgedBytes + 1)), /more output/);
  log.end(10);
  assert.throws(() => log.append(10, pattern(10, 11)), /after its end/);
});

test("at its limit a log takes no more, tells init nothing more, and says so", async (t) => {
  const { log, kept } = make(t, { limitBytes: 1000 });
  log.append(0, pattern(0, 1500));
  await log.changed.until(() => log.isLimited, patience());
  log.append(1500, pattern(1500, 2000));
  assert.equal(kept.at(-1), 1500);
  assert.equal(log.unwrittenBytes, 500);
  await log.finish();
  assert.equal(log.isLimited, false);
  assert.ok((await readAll(log)).equals(pattern(0, 1500)));
});

test("the streams of one sandbox share a limit", async (t) => {
  const budget = new OutputBudget(1000);
  const first = make(t, { budget });
  const second = make(t, { budget });
  first.log.append(0, pattern(0, 1000));
  await first.log.changed.until(() => first.log.isLimited, patience());
  second.log.append(0, pattern(0, 10));
  assert.equal(second.log.isLimited, true);
  assert.deepEqual(second.kept, []);
});

test("a reader that does not follow stops at what there is", async (t) => {
  const { log } = make(t);
  log.append(0, pattern(0, 10));
  assert.equal((await readAll(log, 0, false)).length, 10);
  assert.equal((await readAll(log, 10, false)).length, 0);
});

test("a reader beyond the end of a stream that has ended is told so, and one beyond an open end waits", async (t) => {
  const { log } = make(t);
  const waiting = readAll(log, 5);
  log.append(0, pattern(0, 10));
  log.end(10);
  assert.ok((await waiting).equals(pattern(5, 10)));
  await assert.rejects(readAll(log, 11), { code: "offset_out_of_range" });
});

test("an aborted reader stops waiting", async (t) => {
  const { log } = make(t);
  const abort = new AbortController();
  const reading = log.read(0, true, abort.signal).next();
  abort.abort(new Error("enough"));
  await assert.rejects(reading, /enough/);
});

test("a write that fails is reported, tried again, and loses nothing", async (t) => {
  const errors: unknown[] = [];
  const { log, path } = make(t, { onWriteError: (error) => errors.push(error) });
  const parent = join(path, "..");
  // A file where the directory should be.
  rmSync(parent, { recursive: true, force: true });
  const { writeFileSync } = await import("node:fs");
  writeFileSync(parent, "");
  log.append(0, pattern(0, 10));
  await log.changed.until(() => errors.length > 0, patience());
  assert.equal(log.isLimited, true);
  rmSync(parent);
  await log.changed.until(() => log.unwrittenBytes === 0, patience());
  assert.ok(readFileSync(path).equals(pattern(0, 10)));
});

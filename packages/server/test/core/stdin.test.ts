import assert from "node:assert/strict";
import { test } from "node:test";
import { Stdin, stdinWindowBytes } from "../../src/processes/stdin.ts";

interface Sent {
  readonly stdin: Stdin;
  readonly bytes: Buffer[];
  readonly closedAt: number[];
  /** Acknowledges all that was sent. */
  acknowledge(): void;
}

function make(isNew = true): Sent {
  const bytes: Buffer[] = [];
  const closedAt: number[] = [];
  let next = 0;
  const stdin = new Stdin(
    {
      write: (offset, piece) => {
        if (next === 0) next = offset;
        assert.equal(offset, next);
        next += piece.length;
        bytes.push(piece);
      },
      close: (offset) => closedAt.push(offset),
    },
    isNew,
  );
  return { stdin, bytes, closedAt, acknowledge: () => stdin.acknowledge(next, false) };
}

async function* source(...pieces: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece as string);
}

const patience = () => AbortSignal.timeout(10_000);
const turns = () => new Promise((resolve) => setImmediate(resolve));

test("a write settles once init has all of it, with the offset that comes next", async () => {
  const { stdin, bytes, acknowledge } = make();
  let isDone = false;
  const written = stdin.write(0, source("hello ", "world"), false, patience()).finally(() => {
    isDone = true;
  });
  await turns();
  assert.equal(Buffer.concat(bytes).toString(), "hello world");
  assert.equal(isDone, false);
  acknowledge();
  assert.equal(await written, 11);
});

test("a repeated write is not doubled, and one that overlaps adds what is new", async () => {
  const { stdin, bytes, acknowledge } = make();
  for (const [offset, text] of [
    [0, "abc"],
    [0, "abc"],
    [1, "bcde"],
  ] as const) {
    const written = stdin.write(offset, source(text), false, patience());
    await turns();
    acknowledge();
    await written;
  }
  assert.equal(Buffer.concat(bytes).toString(), "abcde");
});

test("a write beyond the end is refused and names the offset to continue at", async () => {
  const { stdin } = make();
  await assert.rejects(stdin.write(5, source("x"), false, patience()), {
    code: "offset_out_of_range",
    message: /from 0/,
  });
});

test("at most 64 KiB are on their way, and the next bytes follow what was acknowledged", async () => {
  const { stdin, bytes, acknowledge } = make();
  const all = Buffer.alloc(200_000, "x");
  const written = stdin.write(0, source(all), false, patience());
  await turns();
  assert.equal(Buffer.concat(bytes).length, stdinWindowBytes);
  while (Buffer.concat(bytes).length < all.length) {
    acknowledge();
    await turns();
  }
  acknowledge();
  assert.equal(await written, all.length);
});

test("the end of the input is sent once, behind all bytes", async () => {
  const { stdin, closedAt, acknowledge } = make();
  const first = stdin.write(0, source("abc"), true, patience());
  await turns();
  acknowledge();
  await first;
  await stdin.write(0, source("abc"), true, patience());
  assert.deepEqual(closedAt, [3]);
  await assert.rejects(stdin.write(3, source("d"), false, patience()), { code: "process_finished" });
});

test("writers wait their turn, so that their bytes do not mix", async () => {
  const { stdin, bytes, acknowledge } = make();
  const first = stdin.write(undefined, source("one"), false, patience());
  const second = stdin.write(undefined, source("two"), false, patience());
  await turns();
  acknowledge();
  await first;
  await turns();
  acknowledge();
  assert.equal(await second, 6);
  assert.equal(Buffer.concat(bytes).toString(), "onetwo");
});

test("a writer is told when nobody reads any more", async () => {
  const { stdin } = make();
  const written = stdin.write(0, source("abc"), false, patience());
  await turns();
  stdin.acknowledge(1, true);
  await assert.rejects(written, { code: "process_finished", message: /beyond 1/ });
});

test("stdin of an earlier daemon's process continues where init says it is", async () => {
  const { stdin, bytes, acknowledge } = make(false);
  const written = stdin.write(3, source("defg"), false, patience());
  await turns();
  assert.deepEqual(bytes, []);
  stdin.acknowledge(5, false);
  await turns();
  assert.equal(Buffer.concat(bytes).toString(), "fg");
  acknowledge();
  assert.equal(await written, 7);
});

test("an acknowledgement of bytes that were never sent is a violation", () => {
  assert.throws(() => make().stdin.acknowledge(1, false), /acknowledged at 1 of 0/);
});

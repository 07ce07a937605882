import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { duration, formatBytes, formatDuration, size } from "../src/quantity.ts";

describe("durations", () => {
  for (const [text, ms] of [
    ["30", 30_000],
    ["1.5", 1500],
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["0.5s", 500],
  ] as const) {
    test(`${text} is ${ms} ms`, () => assert.equal(duration(text), ms));
  }
  for (const text of ["", "s", "5x", "-3s", "0", "1h 30m", "5m!", "1e3"]) {
    test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => duration(text), /as a duration/));
  }
});

describe("sizes", () => {
  for (const [text, bytes] of [
    ["4096", 4096],
    ["512MiB", 512 * 2 ** 20],
    ["2GB", 2e9],
    ["1.5g", 1.5 * 2 ** 30],
    ["64k", 65_536],
    ["1 TiB", 2 ** 40],
    ["7b", 7],
  ] as const) {
    test(`${text} is ${bytes} bytes`, () => assert.equal(size(text), bytes));
  }
  for (const text of ["", "MB", "5XB", "-1", "1e9", "constructor", "5constructor"]) {
    test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => size(text), /as a size/));
  }
});

test("bytes are shown in the largest unit that leaves at least one", () => {
  assert.deepEqual([0, 1023, 1024, 1536, 2 ** 31].map(formatBytes), ["0 B", "1023 B", "1 KiB", "1.5 KiB", "2 GiB"]);
});

test("durations are shown in the largest unit that leaves at least one", () => {
  assert.deepEqual([0, 999, 3200, 300_000, 5_400_000, 86_400_000].map(formatDuration), [
    "0 ms",
    "999 ms",
    "3.2 s",
    "5 m",
    "1.5 h",
    "1 d",
  ]);
});

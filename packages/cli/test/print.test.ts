import assert from "node:assert/strict";
import { test } from "node:test";
import { pairLines, plain, tableLines } from "../src/print.ts";
import { nearest } from "../src/suggest.ts";
import { timelineLines } from "../src/timeline.ts";

test("columns are as wide as their widest cell", () => {
  assert.deepEqual(
    tableLines(
      ["A", "LONG", "C"],
      [
        ["wide", "x", "end"],
        ["", "y", ""],
      ],
    ),
    ["A     LONG  C", "wide  x     end", "      y"],
  );
});

test("pairs without a value are left out", () => {
  assert.deepEqual(
    pairLines([
      ["Name", "web"],
      ["Nothing", undefined],
      ["A", "1"],
    ]),
    ["Name:  web", "A:     1"],
  );
});

test("escape sequences from elsewhere do not reach the terminal", () => {
  assert.equal(plain("a\x1b[31mb\r\nc\x9bd"), "a?[31mb??c?d");
});

test("a timeline shows the milliseconds since the entry before", () => {
  const lines = timelineLines([
    { event: "queued", at: "2030-01-01T10:00:00.000Z" },
    { event: "prepared", at: "2030-01-01T10:00:00.145Z", detail: "gvisor" },
    { event: "started", at: "2030-01-01T10:00:01.146Z" },
  ]);
  assert.deepEqual(lines, [
    "  10:00:00.000            queued",
    "  10:00:00.145   +145 ms  prepared  gvisor",
    "  10:00:01.146  +1001 ms  started",
  ]);
});

test("a slip suggests the nearest word, and nonsense suggests none", () => {
  const words = ["run", "create", "terminate", "status"];
  assert.equal(nearest("rnu", words), "run");
  assert.equal(nearest("creat", words), "create");
  assert.equal(nearest("terminat", words), "terminate");
  assert.equal(nearest("frobnicate", words), undefined);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../src/errors.ts";
import { volumes } from "../src/volume-option.ts";

const read = (text: string) => Object.values(volumes([text])[0] ?? {});

test("a volume is written with where it goes, how, and which directory of it", () => {
  assert.deepEqual(read("cache:/c"), ["cache", "/c", false, undefined]);
  assert.deepEqual(read("cache:/c/d:ro"), ["cache", "/c/d", true, undefined]);
  assert.deepEqual(read("cache:/c:rw,subpath=a/b"), ["cache", "/c", false, "a/b"]);
  assert.deepEqual(read("vo-1:/c,d,subpath=a,b:ro"), ["vo-1", "/c,d", false, "a,b:ro"]);
});

test("one that is written otherwise is told how to be written", () => {
  for (const text of ["cache", "cache:c", ":/c", "cache:/c:x", "cache:/c,subpath=", "a/b:/c"])
    assert.throws(() => volumes([text]), UsageError, text);
});

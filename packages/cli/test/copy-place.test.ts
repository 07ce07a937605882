import assert from "node:assert/strict";
import { test } from "node:test";
import { destination, placeOf } from "../src/copy-place.ts";
import { UsageError } from "../src/errors.ts";

test("a side of a copy is in a sandbox, on this machine, or a stream", () => {
  assert.deepEqual(placeOf("web:/srv/a b:c"), { kind: "sandbox", sandbox: "web", path: "/srv/a b:c" });
  assert.deepEqual(placeOf("./web:/srv"), { kind: "local", path: "./web:/srv" });
  assert.deepEqual(placeOf("/abs:/x"), { kind: "local", path: "/abs:/x" });
  assert.deepEqual(placeOf("plain"), { kind: "local", path: "plain" });
  assert.deepEqual(placeOf("-"), { kind: "stream" });
  assert.throws(() => placeOf("web:relative"), UsageError);
});

test("a copy goes into a directory under its own name, and otherwise to the very path", () => {
  assert.equal(destination("/a/file", "/b", false), "/b");
  assert.equal(destination("/a/file", "/b", true), "/b/file");
  assert.equal(destination("/a/file", "/b/", false), "/b/file");
  assert.equal(destination("/a/dir/", "/b", true), "/b/dir");
  assert.equal(destination("/", "/b", true), "/b");
});

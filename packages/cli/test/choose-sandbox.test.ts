import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseSandbox } from "../src/find-sandbox.ts";

const id = (letter: string) => `sb-${letter.repeat(22)}`;
const all = [
  { id: id("a"), name: "web", state: "finished", app: "one" },
  { id: id("b"), name: "web", state: "running", app: "one" },
  { id: `sb-bc${"x".repeat(20)}`, state: "running", app: "one" },
  { id: id("d"), name: "twice", state: "running", app: "one" },
  { id: id("e"), name: "twice", state: "running", app: "two" },
  { id: id("f"), name: "old", state: "finished", app: "one" },
  { id: id("g"), name: "old", state: "finished", app: "one" },
  { id: id("h"), name: "bb", state: "finished", app: "one" },
];

test("a running sandbox has its name before a finished one that is newer", () => {
  assert.equal(chooseSandbox("web", all), id("b"));
});

test("of finished sandboxes with a name the newest is meant", () => {
  assert.equal(chooseSandbox("old", all), id("f"));
});

test("the beginning of an id is enough, with and without sb-", () => {
  assert.equal(chooseSandbox("sb-aa", all), id("a"));
  assert.equal(chooseSandbox("a", all), id("a"));
});

test("a name goes before the beginning of an id", () => {
  assert.equal(chooseSandbox("bb", all), id("h"));
});

test("what several sandboxes could be is refused, and they are listed", () => {
  assert.throws(
    () => chooseSandbox("sb-b", all),
    (error) => error instanceof Error && "hint" in error && String(error.hint).includes(id("b")),
  );
  assert.throws(() => chooseSandbox("twice", all), /in different apps/);
});

test("what none could be is not found", () => {
  assert.throws(() => chooseSandbox("nothing", all), /cannot find the sandbox "nothing"/);
});

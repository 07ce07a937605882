import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { errorAnswer } from "../../src/api/answer-error.ts";

const thrown = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

test("a write that a full disk refuses is answered as that, whether a file or the database found out", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (x); PRAGMA max_page_count = 2");
  const failures = [
    thrown(() => database.exec(`INSERT INTO t VALUES (zeroblob(100000))`)),
    thrown(() => writeFileSync("/dev/full", "x")),
  ];
  for (const failure of failures) {
    const { status, body } = errorAnswer(failure, "req-1");
    assert.equal(status, 429);
    assert.equal(body.error.code, "capacity");
    assert.match(body.error.message, /^cannot .*the disk is full$/);
  }
  assert.equal(errorAnswer(new Error("another"), "req-1").body.error.code, "internal");
});

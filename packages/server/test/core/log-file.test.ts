import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { turnOver } from "../../src/log-file.ts";

test("a log that has grown past its limit goes on in an empty file, and what it held is kept beside it once", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-log-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "server.log");
  const fd = openSync(path, "a", 0o600);
  t.after(() => closeSync(fd));
  for (const line of ["first\n", "second\n"]) {
    writeSync(fd, line);
    assert.equal(turnOver(fd, line.length), false, "not above its limit");
    assert.equal(turnOver(fd, line.length - 1), true);
    assert.equal(readFileSync(`${path}.1`, "utf8"), line);
  }
  writeSync(fd, "third\n");
  assert.equal(readFileSync(path, "utf8"), "third\n");
});

test("a log that is no file is left alone", (t) => {
  const fd = openSync("/dev/null", "a");
  t.after(() => closeSync(fd));
  assert.equal(turnOver(fd, -1), false);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { fileEntry, fileEvent } from "../../src/files/file-entry.ts";
import { fileError } from "../../src/files/file-error.ts";
import { Records } from "../../src/files/records.ts";

const fields = (...texts: string[]) => texts.map((text) => Buffer.from(text, "latin1"));
const exited = (status: number, said: string) => fileError({ kind: "exited", status, said }, "read /x");

test("records come out whole however their bytes are cut", () => {
  const bytes = Buffer.from("a\0b\0\0c\0\0d\0", "latin1");
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const records = new Records();
    const found = [...records.take(bytes.subarray(0, cut)), ...records.take(bytes.subarray(cut))];
    assert.deepEqual(
      found.map((record) => record.map(String)),
      [
        ["a", "b", ""],
        ["c", "", "d"],
      ],
    );
    records.end();
  }
});

test("bytes behind the wanted record stay as they are", () => {
  const records = new Records();
  const [record] = records.take(Buffer.from("a\0b\0c\0x\0y\0z\0"), 1);
  assert.deepEqual(record?.map(String), ["a", "b", "c"]);
  assert.equal(String(records.rest), "x\0y\0z\0");
});

test("a string without an end is given up, and so is a record that is cut short", () => {
  assert.throws(() => new Records().take(Buffer.alloc(70_000, 1)), { code: "filesystem_error" });
  const cut = new Records();
  cut.take(Buffer.from("a\0b"));
  assert.throws(() => cut.end(), { code: "filesystem_error" });
});

test("an entry is read, with a path that is not UTF-8 given as bytes too", () => {
  const entry = fileEntry(fields("l 511 3 0 1000 1.250000000", "a\xff", "to"), "/top");
  assert.deepEqual(
    { ...entry, pathBase64: Buffer.from(entry.pathBase64 ?? "", "base64").toString("latin1") },
    {
      name: "a\ufffd",
      path: "/top/a\ufffd",
      pathBase64: "/top/a\xff",
      type: "symlink",
      size: 3,
      mode: 0o777,
      uid: 0,
      gid: 1000,
      modifiedAt: "1970-01-01T00:00:01.250Z",
      linkTarget: "to",
    },
  );
});

test("what no operation says is refused rather than passed on", () => {
  const heads = [
    "",
    "x 1 1 1 1 1.000000000",
    "f 1 1 1 1 1",
    "f -1 1 1 1 1.000000000",
    "f 1 1 1 1 1.000000000 ",
    "f 1 99999999999999999 1 1 1.000000000",
  ];
  for (const head of heads) assert.throws(() => fileEntry(fields(head, "p", "")), { code: "filesystem_error" }, head);
  assert.throws(() => fileEvent(fields("explode", "p", ""), "/"), { code: "filesystem_error" });
  assert.equal(
    fileEntry(fields("f 420 1 1 1 -999999999999999.000000000", "p", "")).modifiedAt.startsWith("-271821"),
    true,
  );
});

test("each event names absolute paths", () => {
  assert.equal(fileEvent(fields("ready", "", ""), "/w"), undefined);
  assert.deepEqual(fileEvent(fields("rename", "b", "a"), "/w"), { type: "rename", path: "/w/b", from: "/w/a" });
  assert.deepEqual(fileEvent(fields("out", "a", ""), "/"), { type: "remove", path: "/a", moved: true });
  assert.deepEqual(fileEvent(fields("remove", "", ""), "/w"), { type: "remove", path: "/w" });
});

test("how an operation ended is an error with a code, or none", () => {
  assert.equal(exited(0, "anything"), undefined);
  assert.equal(exited(256, "2 open\n")?.code, "file_not_found");
  assert.equal(exited(256, "warning\n28 write\n")?.code, "no_space");
  assert.equal(exited(256, "28 watch\n")?.code, "capacity");
  assert.equal(exited(256, "74 archive\n")?.code, "invalid_argument");
  assert.equal(exited(256, "4000 open\n")?.message, "cannot read /x: the system says errno 4000");
  for (const said of ["", "2 open", "two open\n", "2 ".padEnd(40, "x"), "2 open\n\u001b[31m"]) {
    assert.match(exited(256, said)?.message ?? "", /was ended with exit code 1 inside/, JSON.stringify(said));
  }
  assert.match(exited(9, "")?.message ?? "", /by signal 9/);
  assert.equal(fileError({ kind: "not_started", errno: 2, step: "user" }, "read /x")?.code, "invalid_argument");
  assert.equal(fileError({ kind: "not_started", errno: 11, step: "limit" }, "read /x")?.code, "capacity");
  const error = new AtollError("unavailable", "cannot go on");
  assert.equal(fileError({ kind: "lost", error }, "read /x"), error);
});

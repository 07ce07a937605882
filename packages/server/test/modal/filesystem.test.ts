import assert from "node:assert/strict";
import { test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { CallOutput } from "../../src/modal/filesystem/call-output.ts";
import { CallStdin } from "../../src/modal/filesystem/call-stdin.ts";
import { commandOf, program } from "../../src/modal/filesystem/command.ts";
import { failureText } from "../../src/modal/filesystem/failure.ts";
import { eventInfo, fileInfo } from "../../src/modal/filesystem/file-info.ts";
import { namesIn } from "../../src/modal/filesystem/owners.ts";

const { signal } = new AbortController();

test("a command is taken from its JSON, and anything else is refused with a reason", () => {
  assert.deepEqual(commandOf([program, '{"Remove":{"path":"/a","recursive":true}}']), {
    name: "Remove",
    path: "/a",
    recursive: true,
  });
  const refused = ["", "null", "{", "{}", '{"Format":{"path":"/"}}', '{"toString":{}}', '{"Stat":{"path":"a"}}'];
  for (const json of [...refused, '{"Stat":{"path":"/a\\u0000"}}', '{"Stat":{"path":"/"},"Remove":{}}'])
    assert.throws(() => commandOf([program, json]), { code: "invalid_argument" }, json);
  assert.throws(() => commandOf([program]), { code: "invalid_argument" });
  const vast = `{"Stat":{"path":"/","x":"${"x".repeat(70_000)}"}}`;
  assert.throws(() => commandOf([program, vast]), { code: "invalid_argument" });
});

test("a failure has the kind and the words that the clients make an error of", () => {
  const said = (code: ConstructorParameters<typeof AtollError>[0], name: "WriteFile" | "Stat") => {
    const { error_kind, message } = JSON.parse(failureText(new AtollError(code, "cannot do /a: b: it is so"), name));
    return [error_kind, message];
  };
  assert.deepEqual(said("permission_denied", "Stat"), ["PermissionDenied", "it is so"]);
  assert.deepEqual(said("file_exists", "Stat"), ["PathAlreadyExists", "it is so"]);
  assert.deepEqual(said("file_exists", "WriteFile"), ["AlreadyExists", "it is so"]);
  assert.deepEqual(said("no_space", "WriteFile"), ["Other", "cannot do /a: b: it is so"]);
});

test("owners have names where the sandbox knows them, and numbers else", () => {
  const users = namesIn("root:x:0:0::/:/bin/sh\nbroken\n:x:3\ntoor:x:0:0\nann:x:1000:1000\n");
  assert.deepEqual(
    [...users],
    [
      [0, "root"],
      [1000, "ann"],
    ],
  );
  const entry = { name: "s", path: "/s", type: "socket", size: 0, mode: 0o1755, uid: 1000, gid: 7 } as const;
  const info = fileInfo({ ...entry, modifiedAt: "1970-01-01T00:00:01.500Z" }, { users, groups: new Map() });
  assert.deepEqual(
    [info.type, info.mode, info.permissions, info.owner, info.group, info.modified_time],
    ["file", 0o141755, "1755", "ann", "7", 1.5],
  );
});

test("a move across the border of what is watched is half of a rename", () => {
  assert.equal(eventInfo({ type: "create", path: "/a", moved: true }).event_type, "RenameTo");
  assert.equal(eventInfo({ type: "remove", path: "/a", moved: true }).event_type, "RenameFrom");
  assert.deepEqual(eventInfo({ type: "rename", path: "/b", from: "/a" }).paths, ["/a", "/b"]);
});

test("output continues at an offset, waits for its reader, and forgets what it had for long", async () => {
  const output = new CallOutput();
  const piece = Buffer.alloc(128 * 1024, "x");
  const writing = (async () => {
    for (let count = 0; count < 16; count++) await output.flow(piece, signal);
    output.end();
  })();
  assert.ok(output.size <= 3 * piece.length);
  let read = 0;
  for await (const bytes of output.read(0, true, signal)) read += bytes.length;
  await writing;
  assert.equal(read, 16 * piece.length);
  assert.ok(output.size < 12 * piece.length);
  const end: Buffer[] = [];
  for await (const bytes of output.read(read - 3, true, signal)) end.push(bytes);
  assert.equal(Buffer.concat(end).toString(), "xxx");
  await assert.rejects(() => output.read(0, true, signal).next(), { code: "offset_out_of_range" });
});

test("stdin that is written twice is taken once, and a writer that says nothing is given up", async () => {
  const input = new CallStdin();
  const source = async function* (text: string) {
    yield Buffer.from(text);
  };
  const writing = (async () => {
    await input.stdin.write(0, source("hello "), false, signal);
    await input.stdin.write(0, source("hello world"), true, signal);
  })();
  const taken: Buffer[] = [];
  for await (const bytes of input.bytes(60_000, signal)) taken.push(bytes);
  await writing;
  assert.equal(Buffer.concat(taken).toString(), "hello world");
  await assert.rejects(() => new CallStdin().bytes(20, signal).next(), { name: "TimeoutError" });
});

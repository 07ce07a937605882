import assert from "node:assert/strict";
import { test } from "node:test";
import {
  InvalidError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
} from "@atoll/sdk";
import { eachIsolation, sharedSandbox } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });
  let count = 0;
  const place = () => `/tmp/open-${count++}`;

  test("what is written is in the file after a flush, and all of it after the close", async () => {
    const path = place();
    const file = await sandbox().open(path, "w");
    await file.write("Hello, ");
    await file.flush();
    assert.equal(await sandbox().fs.readText(path), "Hello, ");
    await file.write("Sandbox!");
    await file.close();
    await file.close();
    assert.equal(await sandbox().fs.readText(path), "Hello, Sandbox!");
    await assert.rejects(file.write("x"), { code: "file_closed" });
  });

  test("lines and parts are read, text never cut within a character", async () => {
    const path = place();
    await sandbox().fs.writeText(path, "eins\nzwölf\n\nlast");
    await using file = await sandbox().open(path);
    assert.equal(await file.readLine(), "eins\n");
    assert.equal(await file.read(3), "zwö");
    assert.equal(file.position, 9);
    assert.deepEqual(await file.readLines(), ["lf\n", "\n", "last"]);
    assert.equal(await file.read(), "");
    await file.seek(-4, "end");
    assert.equal(await file.read(), "last");
    await file.seek(0);
    const lines: string[] = [];
    for await (const line of file) lines.push(line);
    assert.deepEqual(lines, ["eins\n", "zwölf\n", "\n", "last"]);
  });

  test("bytes are read and written with b, at any position", async () => {
    const path = place();
    await using file = await sandbox().open(path, "w+b");
    await file.write(Uint8Array.of(1, 2, 3, 4, 5));
    await file.seek(1);
    assert.deepEqual(await file.read(2), Uint8Array.of(2, 3));
    await file.write(Uint8Array.of(9));
    await file.seek(1, "current");
    await file.write(Uint8Array.of(7));
    await file.seek(0);
    assert.deepEqual(await file.read(), Uint8Array.of(1, 2, 3, 9, 5, 7));
  });

  test("every mode makes, keeps, empties or refuses as it does anywhere", async () => {
    const path = place();
    await assert.rejects(sandbox().open(path, "r"), SandboxFilesystemNotFoundError);
    await assert.rejects(sandbox().open(path, "r+"), SandboxFilesystemNotFoundError);
    await (await sandbox().open(path, "x")).close();
    await assert.rejects(sandbox().open(path, "x"), SandboxFilesystemPathAlreadyExistsError);
    await sandbox().fs.writeText(path, "12345");
    await using changed = await sandbox().open(path, "r+");
    await changed.write("ab");
    assert.equal(await changed.read(), "345");
    await using appended = await sandbox().open(path, "a+");
    await appended.write("6");
    await appended.seek(0);
    await appended.write("7");
    await appended.flush();
    assert.equal(await sandbox().fs.readText(path), "ab34567");
    await (await sandbox().open(path, "w")).close();
    assert.equal(await sandbox().fs.readText(path), "");
    await assert.rejects(sandbox().open("/tmp"), SandboxFilesystemIsADirectoryError);
    await assert.rejects(sandbox().open(path, "rw" as "r"), InvalidError);
    await using reader = await sandbox().open(path);
    await assert.rejects(reader.write("x"), InvalidError);
    await assert.rejects(reader.seek(-1), InvalidError);
  });
});

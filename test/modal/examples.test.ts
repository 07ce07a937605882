/** The programs of examples/modal, as they are. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { checkout, useServer } from "../support/server.ts";
import { usePython } from "./python-client.ts";

const run = promisify(execFile);
const directory = join(checkout, "examples/modal");
const python = usePython("modal-examples");
useServer();

/** What each prints. */
const expected: Readonly<Record<string, string>> = {
  "images.py": "Atoll\nhello from this machine\n24\nand this one came along\n",
  "volumes.py": "in a sandbox: ['1', '2', '3']\nfrom outside: [b'1', b'2', b'3']\nfiles: ['numbers', 'sorted']\n",
  "volumes.mjs": "written: 0\nfrom the image\ntouch: cannot touch '/data/new': Read-only file system\n",
};

test("every example is run", async () => {
  assert.deepEqual((await readdir(directory)).sort(), Object.keys(expected).sort());
});

for (const [name, output] of Object.entries(expected)) {
  test(`${name} prints what it is about`, async () => {
    const client = await python("1.6.4");
    const file = join(directory, name);
    const printed = name.endsWith(".py")
      ? await client.python(await readFile(file, "utf8"))
      : (await run(process.execPath, [file], { timeout: 120_000 })).stdout;
    assert.equal(printed, output);
  });
}

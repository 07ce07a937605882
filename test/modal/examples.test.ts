/** The programs of examples/modal, as they are. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { checkout, useServer } from "../support/server.ts";
import { usePython, withPython } from "./python-client.ts";

const run = promisify(execFile);
const directory = join(checkout, "examples/modal");
const python = usePython("modal-examples");
useServer();

/** What each prints. */
const expected: Readonly<Record<string, string | RegExp>> = {
  "exec.mjs": "apple\nfig\npear\n\nwritten from outside\n",
  "exec.py": "True\n/usr\n\n",
  "files.py": "Hello, Sandbox!\nand again\n",
  "hello.mjs": "Hello, world!\n\n0\n",
  "hello.py": "Hello, world!\n\n",
  "lifecycle.py": "Still running\nExit code: 137\n",
  "network.py": "[8000]\nblocked\n",
  "snapshot.py": "prepared\n\n",
  "streaming.py": "Output: 1\nOutput: 2\nOutput: 3\nstderr: problem 1\nproblem 2\nproblem 3\n\n",
  "terminal.py": /[\r\n]Hello from \/dev\/pts\/0\r\n/,
  "timeout.py": "Sandbox timed out\n124\n",
  "images.py": "Atoll\nhello from this machine\n24\nand this one came along\n",
  "volumes.py": "in a sandbox: ['1', '2', '3']\nfrom outside: [b'1', b'2', b'3']\nfiles: ['numbers', 'sorted']\n",
  "volumes.mjs": "written: 0\nfrom the image\ntouch: cannot touch '/data/new': Read-only file system\n",
};

test("every example is run", async () => {
  assert.deepEqual((await readdir(directory)).sort(), Object.keys(expected).sort());
});

for (const [name, output] of Object.entries(expected)) {
  test(`${name} prints what it is about`, withPython, async () => {
    // Newer clients have no `open` but that of the file system.
    const client = await python(name === "files.py" ? "1.5.4" : "1.6.4");
    const file = join(directory, name);
    const printed = name.endsWith(".py")
      ? await client.python(await readFile(file, "utf8"))
      : (await run(process.execPath, [file], { timeout: 120_000 })).stdout;
    if (typeof output === "string") assert.equal(printed, output);
    else assert.match(printed, output);
  });
}

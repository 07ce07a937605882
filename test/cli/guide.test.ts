import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isolationLevels } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";
import { atoll, succeed } from "./atoll.ts";

useServer();

/** As make(1) would, which the base image does not have. */
const build =
  "[ greeting -nt name ] && exec echo nothing to do; sed 's/.*/Hello, &!/' name > greeting; echo building\n";
const tests = `
import unittest
class Sums(unittest.TestCase):
    def test_sum(self): self.assertEqual(sum([1, 2, 3]), 6)
    def test_wrong(self): self.assertEqual(1 + 1, 3)
`;

for (const isolation of isolationLevels)
  test(`${isolation}: configuration, files, a build, tests, Python, volumes and snapshots, as the examples have them, by the command alone`, async (t) => {
    const local = mkdtempSync(join(tmpdir(), "atoll-guide-"));
    t.after(() => rmSync(local, { recursive: true }));
    const name = `guide-${isolation}-${process.pid}`;
    const run = (...args: string[]) => atoll(["run", "--isolation", isolation, ...args]);

    await atoll(["secret", "create", name, "API_KEY"], { env: { API_KEY: "s3cret" } });
    t.after(() => atoll(["secret", "rm", name]));
    const limits = ["--cpu", "0.5", "--memory", "256MiB"];
    const given = ["--env", "MODE=test", "--secret", name, "--workdir", "/usr/lib"];
    const configured = await run(...limits, ...given, "--", "sh", "-c", "echo $MODE $API_KEY; pwd");
    assert.equal(configured.stdout, "test s3cret\n/usr/lib\n", configured.stderr);

    const sandbox = await succeed("create", "--isolation", isolation, "--name", name, "--timeout", "10m");
    t.after(() => atoll(["terminate", sandbox]));
    writeFileSync(join(local, "test.txt"), "Hello, Sandbox!\n");
    await succeed("cp", join(local, "test.txt"), `${name}:/tmp/test.txt`);
    assert.equal(await succeed("exec", name, "--", "cat", "/tmp/test.txt"), "Hello, Sandbox!");
    await succeed("exec", name, "--", "sh", "-c", "echo installed > /setup.txt");
    await succeed("cp", `${name}:/setup.txt`, join(local, "setup.txt"));
    assert.equal(readFileSync(join(local, "setup.txt"), "utf8"), "installed\n");
    const snapshot = await succeed("snapshot", name);
    t.after(() => atoll(["image", "rm", snapshot]));
    assert.equal((await run("--image", snapshot, "--", "cat", "/setup.txt")).stdout, "installed\n");

    await succeed("volume", "create", name);
    t.after(() => atoll(["volume", "delete", name]));
    for (const [path, content] of [
      ["/build.sh", build],
      ["/name", "make"],
      ["/tests/test_sum.py", tests],
    ] as const)
      await atoll(["volume", "put", name, "-", path], { input: content });
    const inProject = ["--volume", `${name}:/project`, "--workdir", "/project"];
    assert.equal((await run(...inProject, "--", "sh", "build.sh")).stdout, "building\n");
    assert.match((await run(...inProject, "--", "sh", "build.sh")).stdout, /nothing to do/);
    assert.equal(await succeed("volume", "get", name, "/greeting", "-"), "Hello, make!");

    const readOnly = ["--volume", `${name}:/tests:ro,subpath=tests`, "--workdir", "/tests"];
    const tested = await run(...readOnly, "--", "python3", "-B", "-m", "unittest", "-v");
    assert.match(tested.stderr, /test_sum .* ok\n[\s\S]*test_wrong .* FAIL\n[\s\S]*failures=1/);
    assert.equal(tested.code, 1);

    const lines = "import math\nprint(math.isqrt(1764))\nexit()\n";
    const python = await atoll(["run", "--isolation", isolation, "-i", "--", "python3", "-i", "-q"], { input: lines });
    assert.equal(python.stdout, "42\n", python.stderr);
  });

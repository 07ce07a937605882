import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configFrom } from "../../src/config.ts";
import { openFilesIn } from "../../src/sandboxes/defaults.ts";
import { takeStateDirectory } from "../../src/state-directory.ts";
import { temporaryDirectory } from "../support/state.ts";

test("with nothing set the server listens on a free port of loopback", () => {
  const config = configFrom({});
  assert.deepEqual(config.listen, { host: "127.0.0.1", port: 0 });
  assert.equal(config.stateDirectory, "/var/lib/atoll");
  assert.equal(config.maxSandboxes, 1000);
});

test("an IPv6 address is written in brackets", () => {
  assert.deepEqual(configFrom({ ATOLL_LISTEN: "[::1]:80" }).listen, { host: "::1", port: 80 });
});

for (const [name, value] of [
  ["ATOLL_LISTEN", "8080"],
  ["ATOLL_LISTEN", "127.0.0.1:70000"],
  ["ATOLL_MAX_SANDBOXES", "many"],
  ["ATOLL_MAX_SANDBOXES", "0"],
  ["ATOLL_OUTPUT_LIMIT", "-1"],
  ["ATOLL_LOG_LEVEL", "loud"],
  ["ATOLL_STATE_DIR", `/${"x".repeat(80)}`],
] as const) {
  test(`${name}=${value.slice(0, 20)} is refused with its name`, () => {
    assert.throws(() => configFrom({ [name]: value }), new RegExp(`^Error: cannot .*${name}=`));
  });
}

test("a state directory belongs to one server, and is free again when that has let it go", (t) => {
  const directory = temporaryDirectory(t);
  const first = takeStateDirectory(directory);
  assert.throws(() => takeStateDirectory(directory), /another server/);
  first.publish({ pid: 1, url: "http://127.0.0.1:1", version: "0", startedAt: "now" });
  assert.equal(JSON.parse(readFileSync(join(directory, "server.json"), "utf8")).pid, 1);
  first.release();
  assert.throws(() => readFileSync(join(directory, "server.json")), { code: "ENOENT" });
  takeStateDirectory(directory).release();
});

test("the hard limit of open files is read from the kernel's table", () => {
  const line = (hard: string) =>
    `Limit Soft Hard Units\nMax open files            1024                 ${hard}       files\n`;
  assert.equal(openFilesIn(line("20000")), 20_000);
  assert.equal(openFilesIn(line("unlimited")), 1_048_576);
});

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { checkout, useServer } from "./support/server.ts";

useServer();

/** What each program of examples/ prints: the whole of it, or a pattern it matches. */
const expected: { readonly [program: string]: string | RegExp } = {
  abort: "gave up reading\nrunning: true\n",
  "always-terminate": "work\n\nfirst: terminated\ncaught: the work failed\nsecond: terminated\n",
  "bash-pty-exec": /^total .*\n.* \.\n[\s\S]* etc\n[\s\S]* usr\n[\s\S]*\n\/usr\n\n$/,
  "block-network": /^loopback works\ncannot connect: (Network is unreachable|No route to host)\n\n$/,
  build:
    "gvisor Build successful: building\ncontainer Build successful: make: Nothing to be done for 'all'.\nHello, make!\n",
  "cidr-allowlist": /^cannot connect: (Network is unreachable|No route to host)\n\nmay reach: nothing\n$/,
  configuration: "gvisor test 6 4\n\n0.5 cores, 256 MiB\ncontainer test 6 4\n\n0.5 cores, 256 MiB\n",
  detach: "first handle: line 1\nfirst handle: line 2\nsecond handle: line 3\nsecond handle: line 4\n",
  "domain-allowlist":
    /^no such name\ncannot reach 192.0.2.1: only names are allowed\n.*\n\ntcp 192.0.2.1 80 refused\ndns example.net 53 refused\n$/,
  exec: "exit code: 0\nfrom the first\n\nexit code: 3\n",
  "exec-timeout": "Command timed out with exit code 124\nstill here\n\n",
  files:
    "Hello, Sandbox!\nline: one\nline: two\n/srv/site directory \n/srv/site/index.html file 11\n<h1>Hi</h1>\nrename /srv/site/index.html to /srv/site/old.html\n".repeat(
      2,
    ),
  "opening-ports": /^https:\/\/[a-z2-7]{26}\.localhost:\d+\nhas a label: true\n$/,
  hello: "Hello, world!\n\n",
  image: /^workdir \/app\nadd .*\/image\.ts to \/app\nrun wc -l .*\nbuilt in \d+ ms\nhello, 16 lines\n\n$/,
  "idle-timeout": "in use for longer than that\n\nEnded: idle_timed_out\n",
  jupyter: /^Jupyter URL: https:\/\/[a-z2-7]{26}\.localhost:\d+\/tree\?token=\S{36}\n$/,
  poll: "Still running\nCompleted with 0\n",
  "portable-image": "exported more than 100 MB\nhello from a Dockerfile\n",
  "private-network": "the worker: HTTP/1.0 200 OK\na stranger: does not reach it\n",
  "python-repl":
    /the answer is 42[\s\S]*\n1\.5[\s\S]*\ngvisor exit code: 0\n[\s\S]*the answer is 42[\s\S]*\n1\.5[\s\S]*\ncontainer exit code: 0\n$/,
  readiness: "status: 200\n\n",
  "run-tests":
    /^gvisor[\s\S]*test_sum PASSED[\s\S]*test_wrong FAILED[\s\S]*1 failed, 1 passed[\s\S]*\ncontainer[\s\S]*1 failed, 1 passed[\s\S]*\ncontainer exit code: 1\n$/,
  snapshot: "shared left\nshared right\n",
  stderr: "stdout: \nstderr: error\n\n",
  stdin: "apple\nfig\npear\n\n",
  streaming: "Output: 1\nOutput: 2\nOutput: 3\nOutput: 4\nOutput: 5\n",
  "tags-and-list": "found by tag: 2\nthe worker: true\nby name: true retired\nby id: true\n",
  terminal: /[\r\n]Hello from \/dev\/pts\/0 40x120\r\n/,
  terminate: "Terminated with exit code 137\nWithout an exception: terminated\n",
  timeout: "Sandbox timed out with exit code 124\n",
  vite: /^Preview: https:\/\/[a-z2-7]{26}\.localhost:\d+\n$/,
  volumes:
    "gvisor from outside: kept\nkept a b\na read-only mount: Read-only file system\n" +
    "container from outside: kept\nkept a b\na read-only mount: Read-only file system\n",
  wait: "Exit code: 4\n",
  workdir: "/usr/lib\n\n/tmp\n\n",
};

const directory = join(checkout, "examples");

test("every program of examples/ is run here", () => {
  const programs = readdirSync(directory).filter((name) => name.endsWith(".ts"));
  assert.deepEqual(
    programs.sort(),
    Object.keys(expected)
      .map((name) => `${name}.ts`)
      .sort(),
  );
});

describe("examples", { concurrency: 2 }, () => {
  for (const [program, output] of Object.entries(expected)) {
    test(`${program} prints what it should`, async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(directory, `${program}.ts`)], {
        timeout: 300_000,
      });
      assert.equal(stderr, "");
      if (typeof output === "string") assert.equal(stdout, output);
      else assert.match(stdout, output);
    });
  }
});

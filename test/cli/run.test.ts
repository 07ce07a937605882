import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, test } from "node:test";
import { useServer } from "../support/server.ts";
import { atoll, program, start, succeed } from "./atoll.ts";

useServer();

interface Listed {
  readonly id: string;
  readonly name?: string;
  readonly state: string;
  readonly result?: { readonly kind: string };
}

async function named(name: string): Promise<Listed | undefined> {
  const all = JSON.parse(await succeed("ls", "--all", "--json")) as Listed[];
  return all.find((each) => each.name === name);
}

function uniqueName(): string {
  return `run-${randomBytes(6).toString("hex")}`;
}

describe("atoll run", () => {
  test("prints what the command prints and exits as it exits, and leaves no sandbox running", async () => {
    const name = uniqueName();
    const script = "echo to stdout; echo to stderr >&2; exit 3";
    assert.deepEqual(await atoll(["run", "--name", name, "--", "sh", "-c", script]), {
      code: 3,
      stdout: "to stdout\n",
      stderr: "to stderr\n",
    });
    assert.equal((await named(name))?.state, "finished");
  });

  test("needs no -- before a command, and leaves the command's options to it", async () => {
    assert.equal(await succeed("run", "echo", "-n", "--name", "x"), "--name x");
  });

  test("passes a megabyte of any bytes through stdin and stdout unchanged", async () => {
    const bytes = randomBytes(2 ** 20);
    const running = start(["run", "--", "sha256sum", "-"]);
    running.child.stdin?.end(bytes);
    const { code, stdout } = await running.finished;
    assert.equal(code, 0);
    const { createHash } = await import("node:crypto");
    assert.equal(stdout, `${createHash("sha256").update(bytes).digest("hex")}  -\n`);
  });

  test("with --no-stdin the command reads an empty stdin", async () => {
    const { code, stdout } = await atoll(["run", "--no-stdin", "--", "wc", "-c"], { input: "not for it" });
    assert.deepEqual([code, stdout], [0, "0\n"]);
  });

  test("a command that does not read its stdin is not disturbed by it", async () => {
    const { code, stderr } = await atoll(["run", "--", "true"], { input: randomBytes(300_000) });
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("sets environment, working directory and user", async () => {
    const script = 'echo "$A $B $(pwd) $(id -u)"';
    const options = ["-e", "A=1 2", "-e", "ATOLL_TEST_B", "-w", "/tmp", "-u", "65534"];
    const { stdout, stderr } = await atoll(
      ["run", ...options, "--", "sh", "-c", script.replace("$B", "$ATOLL_TEST_B")],
      {
        env: { ATOLL_TEST_B: "from here" },
      },
    );
    assert.deepEqual([stdout, stderr], ["1 2 from here /tmp 65534\n", ""]);
  });

  test("exits with 127 for a command that is not there and 126 for one that cannot be started", async () => {
    const missing = await atoll(["run", "--", "no-such-program"]);
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /no-such-program/);
    const notExecutable = await atoll(["run", "--", "/etc/passwd"]);
    assert.equal(notExecutable.code, 126);
    assert.match(notExecutable.stderr, /\/etc\/passwd/);
  });

  test("exits with 124 at the time limit, and says so", async () => {
    const { code, stdout, stderr } = await atoll(["run", "--timeout", "1s", "--", "sh", "-c", "echo begun; sleep 60"]);
    assert.deepEqual([code, stdout], [124, "begun\n"]);
    assert.match(stderr, /ended: it reached its time limit/);
  });

  test("exits with 137 when it was terminated from elsewhere, and says so", async () => {
    const name = uniqueName();
    const running = start(["run", "--name", name, "--", "sh", "-c", "echo begun; sleep 60"]);
    await running.seen(/begun/);
    await succeed("terminate", name);
    const { code, stderr } = await running.finished;
    assert.equal(code, 137);
    assert.match(stderr, /ended: it was terminated/);
  });

  test("the first Ctrl-C is passed on to the command", async () => {
    const script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done";
    const running = start(["run", "--", "bash", "-c", script]);
    await running.seen(/ready/);
    running.child.kill("SIGINT");
    const { code, stdout } = await running.finished;
    assert.deepEqual([code, stdout], [7, "ready\ncaught\n"]);
  });

  test("a second Ctrl-C terminates the sandbox of a command that does not heed the first", async () => {
    const name = uniqueName();
    const script = "trap 'echo ignored' INT; echo ready; while :; do sleep 0.1; done";
    const running = start(["run", "--name", name, "--", "bash", "-c", script]);
    await running.seen(/ready/);
    running.child.kill("SIGINT");
    await running.seen(/ignored/);
    running.child.kill("SIGINT");
    assert.equal((await running.finished).code, 130);
    assert.equal((await named(name))?.result?.kind, "terminated");
  });

  test("asked to end, it terminates the sandbox", async () => {
    const name = uniqueName();
    const running = start(["run", "--name", name, "--", "sh", "-c", "echo ready; sleep 60"]);
    await running.seen(/ready/);
    running.child.kill("SIGTERM");
    assert.equal((await running.finished).code, 143);
    assert.equal((await named(name))?.result?.kind, "terminated");
  });

  test("terminates the sandbox when nobody reads its output any more", async () => {
    const name = uniqueName();
    const child = spawn(program, ["run", "--name", name, "--", "yes"], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "exit");
    assert.equal(code, 141);
    assert.equal((await named(name))?.result?.kind, "terminated");
  });

  test("--detach prints the id of a sandbox that goes on", async () => {
    const id = await succeed("run", "--detach", "--", "sleep", "60");
    assert.match(id, /^sb-[0-9A-Za-z]{22}$/);
    assert.equal(await succeed("poll", id), "running");
    await succeed("terminate", id);
  });

  test("limits hold: memory", async () => {
    const { code, stderr } = await atoll([
      "run",
      "--memory",
      "64MiB",
      "--",
      "python3",
      "-c",
      "x = bytearray(2 * 10**8)",
    ]);
    assert.equal(code, 137);
    assert.match(stderr, /ran out of memory/);
  });

  test("--block-network leaves loopback alone", async () => {
    const script = `
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname())
print("inside")
socket.create_connection(("192.0.2.1", 80), 20)`;
    const { code, stdout, stderr } = await atoll(["run", "--block-network", "--", "python3", "-c", script]);
    assert.deepEqual([code, stdout], [1, "inside\n"]);
    assert.match(stderr, /Error: \[Errno \d+\]/);
  });

  test("-t gives the command a terminal", async () => {
    const { code, stdout } = await atoll(["run", "-t", "--", "sh", "-c", "test -t 1 && stty size"]);
    assert.equal(code, 0);
    assert.equal(stdout, "24 80\r\n");
  });
});

describe("what cannot be done", () => {
  test("a server's refusal is told with its hint, and exits with 125", async () => {
    const { code, stderr } = await atoll(["run", "--image", "no-such-image", "--", "true"]);
    assert.equal(code, 125);
    assert.match(stderr, /^atoll: cannot .*no-such-image.*\n {2}\S/);
  });

  test("with --json it is told as JSON on stderr", async () => {
    const { code, stdout, stderr } = await atoll(["inspect", "--json", "nothing-of-that-name"]);
    assert.deepEqual([code, stdout], [125, ""]);
    const { error } = JSON.parse(stderr);
    assert.equal(error.code, "not_found");
    assert.match(error.message, /^cannot find the sandbox "nothing-of-that-name"/);
    assert.ok(error.hint.length > 0);
  });

  test("a token that is not accepted is told as such", async () => {
    const { code, stderr } = await atoll(["ls"], { env: { ATOLL_TOKEN: "wrong" } });
    assert.equal(code, 125);
    assert.match(stderr, /ATOLL_TOKEN/);
  });

  test("an address where no server is, is told as such", async () => {
    const { code, stderr } = await atoll(["ls"], { env: { ATOLL_URL: "http://127.0.0.1:9" } });
    assert.equal(code, 125);
    assert.match(stderr, /^atoll: cannot .*127\.0\.0\.1:9/);
  });
});

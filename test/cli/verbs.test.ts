import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { useServer } from "../support/server.ts";
import { atoll, idleSandbox, start, succeed } from "./atoll.ts";

useServer();

const unique = () => randomBytes(6).toString("hex");

describe("atoll create and the verbs on a sandbox", () => {
  test("a sandbox is found by its id, by the beginning of its id and by its name", async (t) => {
    const name = `n-${unique()}`;
    const id = await idleSandbox(t, "--name", name);
    for (const given of [id, id.slice(0, 16), id.slice(3, 16), name]) {
      assert.equal(JSON.parse(await succeed("inspect", "--json", given)).id, id);
    }
  });

  test("create --json prints the sandbox", async () => {
    const info = JSON.parse(
      await succeed("create", "--json", "--cpu", "0.5", "--memory", "128MiB", "--", "sleep", "60"),
    );
    await succeed("terminate", info.id);
    assert.deepEqual(
      [info.state, info.cpu, info.memoryBytes, info.command],
      ["running", 0.5, 2 ** 27, ["sleep", "60"]],
    );
  });

  test("ls filters by app and tag, prints ids with -q, and finished ones with --all", async (t) => {
    const app = `app-${unique()}`;
    const one = await idleSandbox(t, "--app", app, "--tag", "team=red", "--tag", "n=1");
    const two = await idleSandbox(t, "--app", app, "--tag", "team=red", "--tag", "n=2");
    assert.deepEqual((await succeed("ls", "-q", "--app", app)).split("\n"), [two, one]);
    assert.equal(await succeed("ls", "-q", "--app", app, "--tag", "team=red", "--tag", "n=1"), one);
    await succeed("terminate", one);
    assert.equal(await succeed("ls", "-q", "--app", app), two);
    assert.deepEqual((await succeed("ls", "-qa", "--app", app)).split("\n"), [two, one]);
    const table = (await succeed("ls", "--all", "--app", app)).split("\n");
    assert.match(table[0] ?? "", /^ID +NAME +APP +STATE +ISOLATION +NETWORK +ADDRESS +AGE +COMMAND$/);
    assert.match(table[1] ?? "", new RegExp(`^${two} +- +${app} +running +(gvisor|container) `));
    assert.match(table[2] ?? "", /terminated \(137\)/);
  });

  test("inspect shows what it is and its timeline with milliseconds", async (t) => {
    const id = await idleSandbox(t, "--tag", "a=b", "--idle-timeout", "5m");
    const text = await succeed("inspect", id);
    assert.match(text, new RegExp(`^Id: +${id}$`, "m"));
    assert.match(text, /^Tags: +a=b$/m);
    assert.match(text, /^Idle limit: +5 m$/m);
    assert.match(text, /^Timeline\n {2}\d\d:\d\d:\d\d\.\d{3} +\w+/m);
    assert.match(text, /^ {2}\S+ +\+\d+ ms {2}started/m);
  });

  test("tag sets, removes, keeps the others and prints them", async (t) => {
    const id = await idleSandbox(t, "--tag", "keep=1", "--tag", "drop=2");
    assert.equal(await succeed("tag", id, "new=x=y", "drop-"), "keep=1\nnew=x=y");
    assert.deepEqual(JSON.parse(await succeed("tag", id, "--json")), { keep: "1", new: "x=y" });
  });

  test("logs prints both streams to their own, from an offset, and follows with -f", async (t) => {
    const script = "echo one; echo problem >&2; echo two; read line; echo $line";
    const id = await succeed("create", "--", "sh", "-c", script);
    t.after(() => succeed("terminate", id));
    const following = start(["logs", "-f", id]);
    await following.seen(/two/);
    assert.deepEqual(await atoll(["logs", id]), { code: 0, stdout: "one\ntwo\n", stderr: "problem\n" });
    assert.deepEqual(await atoll(["logs", "--stderr", id]), { code: 0, stdout: "", stderr: "problem\n" });
    assert.deepEqual(await atoll(["logs", "--stdout", "--offset", "4", id]), { code: 0, stdout: "two\n", stderr: "" });
    await succeed("terminate", id);
    assert.deepEqual(await following.finished, { code: 0, stdout: "one\ntwo\n", stderr: "problem\n" });
  });

  test("logs prints the last lines, those of a time or with a text, with times or as JSON, and goes on from there", async (t) => {
    const script = "echo one; echo problem >&2; echo two; read line; echo $line";
    const id = await succeed("create", "--", "sh", "-c", script);
    t.after(() => succeed("terminate", id));
    const following = start(["logs", "-f", "--tail", "1", "--stdout", id]);
    await following.seen(/two/);
    assert.equal(await succeed("logs", "--since", "1h", "--search", "o", "--stdout", id), "one\ntwo");
    assert.equal(await succeed("logs", "--until", "2020-01-01T00:00:00Z", id), "");
    assert.match(await succeed("logs", "--timestamps", "-n", "1", "--stdout", id), /^\d{4}-\S+Z two$/);
    const entries: { stream: string; text: string }[] = JSON.parse(await succeed("logs", "--json", id));
    const texts = (name: string) => entries.filter(({ stream }) => stream === name).map(({ text }) => text);
    assert.deepEqual([texts("stdout"), texts("stderr")], [["one\n", "two\n"], ["problem\n"]]);
    assert.match((await atoll(["logs", "--tail", "2", "--offset", "1", id])).stderr, /cannot choose lines/);
    assert.match((await atoll(["logs", "--since", "yesterday", id])).stderr, /cannot read "yesterday"/);
    await succeed("terminate", id);
    assert.deepEqual(await following.finished, { code: 0, stdout: "two\n", stderr: "" });
  });

  test("poll tells running from finished, and wait exits as the sandbox exited", async () => {
    const id = await succeed("create", "--", "sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; exit 5");
    assert.deepEqual(JSON.parse(await succeed("poll", "--json", id)), { id, state: "running" });
    await succeed("exec", id, "--", "touch", "/tmp/go");
    assert.deepEqual(await atoll(["wait", id]), { code: 5, stdout: "", stderr: "" });
    assert.equal(await succeed("poll", id), "exited with 5");
    const { code, stdout } = await atoll(["wait", "--json", id]);
    assert.equal(code, 5);
    assert.deepEqual(JSON.parse(stdout), { id, kind: "exited", exitCode: 5 });
  });

  test("wait says why a sandbox ended that did not exit", async () => {
    const id = await succeed("create", "--timeout", "500ms");
    const { code, stderr } = await atoll(["wait", id]);
    assert.equal(code, 124);
    assert.match(stderr, /reached its time limit/);
  });

  test("terminate ends several and prints them, and none when one cannot be found", async () => {
    const one = await succeed("create");
    const two = await succeed("create");
    const { code } = await atoll(["terminate", one, "no-such-sandbox"]);
    assert.equal(code, 125);
    assert.equal(await succeed("poll", one), "running");
    assert.equal(await succeed("terminate", one, two, one), `${one}\n${two}`);
    assert.match(await succeed("poll", two), /^terminated/);
    assert.equal(await succeed("terminate", one), one, "a finished one is no error");
  });
});

describe("atoll exec", () => {
  test("runs in a sandbox that goes on, with stdin, both streams and the exit code", async (t) => {
    const id = await idleSandbox(t);
    const script = "cat; echo problem >&2; exit 4";
    assert.deepEqual(await atoll(["exec", id, "--", "sh", "-c", script], { input: "from here\n" }), {
      code: 4,
      stdout: "from here\n",
      stderr: "problem\n",
    });
    assert.equal(await succeed("poll", id), "running");
  });

  test("sets environment and working directory, and has a time limit of its own", async (t) => {
    const id = await idleSandbox(t, "-e", "A=sandbox");
    assert.equal(await succeed("exec", "-e", "A=exec", "-w", "/usr", id, "sh", "-c", "echo $A $(pwd)"), "exec /usr");
    assert.equal(await succeed("exec", id, "sh", "-c", "echo $A"), "sandbox");
    const { code, stderr } = await atoll(["exec", "--timeout", "500ms", id, "sleep", "60"]);
    assert.equal(code, 124);
    assert.match(stderr, /reached its time limit/);
    assert.equal(await succeed("poll", id), "running");
  });

  test("exits with 127 for a command that is not there", async (t) => {
    const id = await idleSandbox(t);
    const { code, stderr } = await atoll(["exec", id, "no-such-program"]);
    assert.equal(code, 127);
    assert.match(stderr, /no-such-program/);
  });

  test("a second Ctrl-C kills the command and leaves the sandbox", async (t) => {
    const id = await idleSandbox(t);
    const script = "trap 'echo ignored' INT; echo $$; echo ready; while :; do sleep 0.1; done";
    const running = start(["exec", id, "bash", "-c", script]);
    await running.seen(/ready/);
    running.child.kill("SIGINT");
    await running.seen(/ignored/);
    running.child.kill("SIGINT");
    const { code, stdout } = await running.finished;
    assert.equal(code, 130);
    assert.equal(
      await succeed("exec", id, "sh", "-c", `kill -0 ${stdout.split("\n")[0]} 2>/dev/null || echo gone`),
      "gone",
    );
  });

  test("--detach prints a process whose output logs shows", async (t) => {
    const id = await idleSandbox(t);
    const process_ = await succeed("exec", "--detach", id, "--", "echo", "from a process");
    assert.match(process_, /^ex-/);
    assert.deepEqual(await atoll(["logs", "-f", "--process", process_, id]), {
      code: 0,
      stdout: "from a process\n",
      stderr: "",
    });
  });

  test("a finished sandbox is told as such", async () => {
    const id = await succeed("create", "--", "true");
    await atoll(["wait", id]);
    const { code, stderr } = await atoll(["exec", id, "true"]);
    assert.equal(code, 125);
    assert.match(stderr, /^atoll: cannot /);
  });
});

describe("access", () => {
  test("a token works until it is removed, and is not shown again", async () => {
    const name = `t-${unique()}`;
    const token = await succeed("token", "create", name);
    const env = { ATOLL_TOKEN: token };
    assert.equal((await atoll(["ls"], { env })).code, 0);
    const listed = (JSON.parse(await succeed("token", "ls", "--json")) as { id: string; name: string }[]).find(
      (each) => each.name === name,
    );
    assert.ok(listed);
    assert.equal((await succeed("token", "ls")).includes(token), false);
    assert.equal(await succeed("token", "rm", listed.id), listed.id);
    assert.equal((await atoll(["ls"], { env })).code, 125);
  });

  test("a token is printed as what a Modal client takes from its environment", async () => {
    const text = await succeed("token", "create", "--modal", `t-${unique()}`);
    const [url = "", id = "", token = ""] = text.split("\n").map((line) => line.replace(/^export MODAL_[A-Z_]+=/, ""));
    assert.equal(
      text.replaceAll(/=.*/g, ""),
      "export MODAL_SERVER_URL\nexport MODAL_TOKEN_ID\nexport MODAL_TOKEN_SECRET",
    );
    assert.equal((await atoll(["ls"], { env: { ATOLL_URL: url, ATOLL_TOKEN: token } })).code, 0);
    assert.equal(await succeed("token", "rm", id), id);
  });

  test("a secret comes from stdin, the environment or a dotenv file, and ls shows its keys only", async (t) => {
    const name = `s-${unique()}`;
    t.after(() => atoll(["secret", "rm", name]));
    const created = await atoll(["secret", "create", name, "A=-", "ATOLL_TEST_SECRET", "C=3"], {
      input: "from stdin\n",
      env: { ATOLL_TEST_SECRET: "from environment" },
    });
    assert.deepEqual(created, { code: 0, stdout: `${name}\n`, stderr: "" });
    const script = 'echo "$A,$ATOLL_TEST_SECRET,$C"';
    assert.equal(await succeed("run", "--secret", name, "--", "sh", "-c", script), "from stdin,from environment,3");
    const listed = await succeed("secret", "ls");
    assert.match(listed, new RegExp(`^${name} +A ATOLL_TEST_SECRET C `, "m"));
    assert.equal(listed.includes("from stdin"), false);
    await atoll(["secret", "create", name], { input: "# all new\nD='x y'\n" });
    assert.equal(await succeed("run", "--secret", name, "--", "sh", "-c", 'echo "$A,$D"'), ",x y");
    assert.equal((await atoll(["secret", "update", name, "A=-", "--unset", "D"], { input: "new" })).stdout, "A\n");
    assert.equal(await succeed("run", "--secret", name, "--", "sh", "-c", 'echo "$A,$D"'), "new,");
    assert.equal(await succeed("secret", "rm", name), name);
    assert.equal((await atoll(["secret", "rm", name])).code, 125);
  });
});

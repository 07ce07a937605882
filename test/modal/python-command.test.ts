/** The command `modal`, at a terminal: shells in new and in running sandboxes, and what it says of containers and apps. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { Sandbox, Secret } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { type PythonClient, usePython, withPython } from "./python-client.ts";

const python = usePython("modal-py-command");
useServer();
let client: PythonClient;
before(async () => {
  client = await python("1.5.4");
});

/** Runs the command at a terminal of its own, and types each line once what it waits for is on the screen. */
const atTerminal = async (args: readonly string[], lines: readonly (readonly [string, string])[]) => {
  const printed = await client.python(`
import json, os, pty, sys
lines = json.loads(${JSON.stringify(JSON.stringify(lines))})
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.executable, [sys.executable, "-m", "modal", *json.loads(${JSON.stringify(JSON.stringify(args))})])
screen, seen = b"", 0
while True:
    try: piece = os.read(terminal, 65536)
    except OSError: break
    if not piece: break
    screen += piece
    while lines and lines[0][0].encode() in screen[seen:]:
        seen = screen.index(lines[0][0].encode(), seen) + len(lines[0][0])
        os.write(terminal, (lines.pop(0)[1] + "\\n").encode())
print(json.dumps([screen.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]))
`);
  const [screen, code]: [string, number] = JSON.parse(printed);
  return { screen, code };
};

test("a shell in an image has a terminal, and its sandbox ends with it", withPython, async () => {
  const { screen } = await atTerminal(
    ["shell", "--image", "debian:bookworm-slim", "--cmd", "sh"],
    [
      ["# ", "echo si''ze $(stty size); tty"],
      ["/dev/pts/", "exit"],
    ],
  );
  assert.match(screen, /size \d+ \d+/);
  assert.deepEqual(await Array.fromAsync(Sandbox.list({ app: "modal-shell" })), []);
});

test("containers are listed, entered by their id and that of their sandbox, and stopped", withPython, async () => {
  const printed = await client.python(`
import modal
app = modal.App.lookup("modal-py-command", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, timeout=300)
print(sandbox.object_id, sandbox._get_task_id(), app.app_id)
`);
  const [sandboxId = "", taskId = "", appId = ""] = printed.trim().split(" ");
  const listed = JSON.parse(await client.modal("container", "list", "--json", "--app-id", appId));
  assert.equal(listed.length, 1);
  assert.deepEqual([...Object.values(listed[0])].slice(0, 3), [taskId, appId, "modal-py-command"]);
  // The command may leave before it has printed what it was told.
  await client.modal("container", "exec", "--no-pty", taskId, "--", "sh", "-c", "echo written > /mark");
  assert.equal(await (await Sandbox.fromId(sandboxId)).fs.readText("/mark"), "written\n");
  for (const id of [sandboxId, taskId]) {
    const { screen } = await atTerminal(["shell", id, "--cmd", "sh"], [["# ", "echo in''side; exit"]]);
    assert.match(screen, /inside/);
  }
  await client.modal("container", "stop", "--yes", taskId);
  await assert.rejects(client.modal("container", "stop", "--yes", taskId), /already stopped/);
  await assert.rejects(client.modal("container", "exec", taskId, "true"), /not found|finished|ended/i);
});

test(
  "what runs in an app ends when it is stopped by its name, and a run of an app when its client goes",
  withPython,
  async () => {
    const printed = await client.python(`
import modal
app = modal.App.lookup("modal-py-stopped", create_if_missing=True)
print(modal.Sandbox.create(app=app, timeout=300).object_id)
other = modal.App("modal-py-stopped")
with other.run():
    sandbox = modal.Sandbox.create(app=other, timeout=300)
    print([each.object_id == sandbox.object_id for each in modal.Sandbox.list(app_id=other.app_id)])
sandbox.wait(raise_on_termination=False)
print(sandbox.returncode, len(list(modal.Sandbox.list(app_id=app.app_id))))
`);
    const [id = "", own, rest] = printed.trimEnd().split("\n");
    assert.deepEqual([own, rest], ["[True]", "137 1"]);
    await client.modal("app", "stop", "--yes", "modal-py-stopped");
    const { state } = await Sandbox.fromId(id).then((sandbox) => sandbox.info());
    assert.equal(state, "finished");
    await assert.rejects(client.modal("app", "stop", "--yes", "modal-py-none"), /No App with name/);
  },
);

test(
  "environments are made, used, listed, renamed and deleted, and what is named in one is its own",
  withPython,
  async () => {
    const [first, second] = ["modal-py-one", "modal-py-two"];
    await client.modal("environment", "create", first);
    await assert.rejects(client.modal("environment", "create", first), /there is one of that name/);
    await client.modal("environment", "update", first, "--set-name", second);
    await client.modal("secret", "create", "--env", second, "modal-py-shared", "A=inside");
    await client.modal("secret", "create", "modal-py-shared", "A=outside");
    await client.modal("volume", "create", "--env", second, "modal-py-shared");
    const printed = await client.python(`
import modal
from modal.exception import NotFoundError
app = modal.App.lookup("modal-py-app", environment_name="${second}", create_if_missing=True)
secret = modal.Secret.from_name("modal-py-shared", environment_name="${second}")
sandbox = modal.Sandbox.create("sh", "-c", "echo $A; sleep 300", app=app, secrets=[secret], name="inside", timeout=300)
print(next(iter(sandbox.stdout)), end="")
print(modal.Sandbox.from_name("modal-py-app", "inside", environment_name="${second}").object_id == sandbox.object_id)
for name in ("modal-py-app", "modal-py-none"):
    try: modal.App.lookup(name, environment_name="modal-py-none" if name == "modal-py-none" else None)
    except NotFoundError: print("not found")
print(sandbox.object_id)
`);
    const [inside, found, other, none, id = ""] = printed.trimEnd().split("\n");
    assert.deepEqual([inside, found, other, none], ["inside", "True", "not found", "not found"]);
    assert.doesNotMatch(await client.modal("app", "list", "--json"), /modal-py-app/);
    assert.match(await client.modal("app", "list", "--json", "--env", second), /modal-py-app/);
    assert.match(await client.modal("environment", "list", "--json"), new RegExp(second));
    await assert.rejects(client.modal("environment", "update", second, "--set-name", first), /not empty/);
    await client.modal("environment", "delete", "--yes", second);
    assert.equal((await Sandbox.fromId(id).then((sandbox) => sandbox.info())).state, "finished");
    await assert.rejects(client.modal("secret", "list", "--env", second), /cannot find the environment/);
    await Secret.lookup("modal-py-shared", { requiredKeys: ["A"] });
    await Secret.delete("modal-py-shared");
    await assert.rejects(client.modal("environment", "delete", "--yes", "main"), /always there/);
  },
);

test("secrets come from files of variables, given to programs and to the command", withPython, async () => {
  const file = join(await mkdtemp(join(tmpdir(), "atoll-modal-")), ".env");
  await writeFile(file, 'PLAIN=one\nQUOTED="two words"\n# not one\n');
  try {
    await client.modal("secret", "create", "modal-py-dotenv", "--from-dotenv", file);
    const printed = await client.python(`
import modal
app = modal.App.lookup("modal-py-command", create_if_missing=True)
given = modal.Secret.from_dotenv("${dirname(file)}")
stored = modal.Secret.from_name("modal-py-dotenv", required_keys=["PLAIN", "QUOTED"])
for secret in (given, stored):
    sandbox = modal.Sandbox.create("sh", "-c", "echo $PLAIN, $QUOTED", app=app, secrets=[secret], timeout=100)
    print(sandbox.stdout.read(), end="")
    sandbox.wait()
`);
    assert.equal(printed, "one, two words\none, two words\n");
    await client.modal("secret", "delete", "--yes", "modal-py-dotenv");
  } finally {
    await rm(dirname(file), { recursive: true });
  }
});

/** Files as older Python programs use them: open, ls, mkdir, rm and watch of the sandbox itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useServer } from "../support/server.ts";
import { usePython, withPython } from "./python-client.ts";

const using = usePython("modal-python-files");
useServer();

/** Prints the class of what a statement raises. */
const prelude = `
import warnings
warnings.simplefilter("ignore")
import modal
app = modal.App.lookup("modal-python-files", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, timeout=120)
def raised(act):
    try: act()
    except Exception as error: print(type(error).__name__)
    else: print("nothing")
`;

test(
  "files are opened, written, read by lines and pieces, sought in and closed, with errors that Python knows",
  withPython,
  async () => {
    const client = await using("1.5.4");
    const printed = await client.python(`${prelude}
with sandbox.open("/tmp/a", "w") as file:
    file.write("one\\ntwo\\n")
    file.write("three")
    file.flush()
with sandbox.open("/tmp/a", "a") as file: file.write(" and more")
with sandbox.open("/tmp/a", "r+") as file:
    print(repr(file.readline()), repr(file.read(2)), file.readlines())
    file.seek(-4, 2)
    file.write("MORE")
    file.seek(4)
    print(repr(file.read()), repr(file.read()))
with sandbox.open("/tmp/b", "xb") as file: file.write(bytes(range(256)) * 200000)
with sandbox.open("/tmp/b", "rb") as file: print(len(file.read()))
print(sandbox.exec("cat", "/tmp/a").stdout.read())
raised(lambda: sandbox.open("/tmp/none", "r"))
raised(lambda: sandbox.open("/tmp/b", "x"))
raised(lambda: sandbox.open("/tmp", "r"))
raised(lambda: sandbox.open("/tmp/a/b", "w"))
sandbox.terminate()
`);
    assert.deepEqual(printed.split("\n"), [
      "'one\\n' 'tw' ['o\\n', 'three and more']",
      "'two\\nthree and MORE' ''",
      "51200000",
      "one",
      "two",
      "three and MORE",
      "FileNotFoundError",
      "FileExistsError",
      "IsADirectoryError",
      "NotADirectoryError",
      "",
    ]);
  },
);

test("directories are made, listed, removed and watched", withPython, async () => {
  const client = await using("1.5.4");
  const printed = await client.python(`${prelude}
sandbox.mkdir("/data/in/there", parents=True)
raised(lambda: sandbox.mkdir("/none/there"))
raised(lambda: sandbox.mkdir("/data"))
for name in ("b", "a"): sandbox.open("/data/" + name, "w").close()
print(sandbox.ls("/data"))
raised(lambda: sandbox.ls("/data/none"))
raised(lambda: sandbox.ls("/data/a"))
sandbox.rm("/data/a")
raised(lambda: sandbox.rm("/data/in"))
sandbox.rm("/data/in", recursive=True)
print(sandbox.ls("/data"))
writer = sandbox.exec("sh", "-c", "while sleep 0.2; do echo > /data/new; rm /data/new; done")
seen = set()
for event in sandbox.watch("/data", timeout=60):
    seen.add((event.type.value, event.paths[0]))
    if {("Create", "/data/new"), ("Remove", "/data/new")} <= seen: break
print(sorted(seen & {("Create", "/data/new"), ("Remove", "/data/new")}))
print(list(sandbox.watch("/tmp", timeout=1)))
sandbox.terminate()
`);
  assert.deepEqual(printed.split("\n"), [
    "FileNotFoundError",
    "FileExistsError",
    "['a', 'b', 'in']",
    "FileNotFoundError",
    "NotADirectoryError",
    "OSError",
    "['b']",
    "[('Create', '/data/new'), ('Remove', '/data/new')]",
    "[]",
    "",
  ]);
});

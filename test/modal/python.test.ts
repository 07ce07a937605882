/** The official Python client and its command, unchanged, against this server. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Image, Secret, Volume } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { type PythonClient, usePython, withPython } from "./python-client.ts";

const python = usePython("modal-python");
useServer();
let client: PythonClient;
before(async () => {
  client = await python("1.5.4");
});

test("a sandbox has secrets from dictionaries and by name, the last of which wins", withPython, async () => {
  await Secret.put("modal-py-first", { A: "stored", B: "stored" });
  const printed = await client.python(`
import modal
app = modal.App.lookup("modal-python", create_if_missing=True)
secrets = [modal.Secret.from_dict({"A": "given", "C": "given"}), modal.Secret.from_name("modal-py-first", required_keys=["A"])]
sandbox = modal.Sandbox.create("sh", "-c", "echo $A $B $C", app=app, secrets=secrets, timeout=60)
print(sandbox.stdout.read(), end="")
sandbox.wait()
print(sandbox.returncode)
`);
  assert.equal(printed, "stored stored given\n0\n");
  await Secret.delete("modal-py-first");
});

test("secrets are created, refused twice, changed, listed and deleted", withPython, async () => {
  const printed = await client.python(`
import modal
from modal.exception import AlreadyExistsError, ConflictError, NotFoundError
secrets = modal.Secret.objects
secrets.create("modal-py", {"A": "1"})
try: secrets.create("modal-py", {})
except AlreadyExistsError as error: print("exists:", error)
secrets.create("modal-py", {"Z": "1"}, allow_existing=True)
secret = modal.Secret.from_name("modal-py").hydrate()
secret.update({"B": "2"})
print([each.name for each in secrets.list() if each.name == "modal-py"], secret.info().name)
try: modal.Secret.from_name("modal-py", required_keys=["A", "D"]).hydrate()
except ConflictError as error: print("keys:", error)
secrets.delete("modal-py")
try: secrets.delete("modal-py")
except NotFoundError as error: print("missing:", error)
secrets.delete("modal-py", allow_missing=True)
`);
  assert.deepEqual(printed.split("\n"), [
    "exists: Secret 'modal-py' already exists",
    "['modal-py'] modal-py",
    "keys: Secret is missing key(s): D",
    "missing: Secret 'modal-py' not found",
    "",
  ]);
});

test("images are published, found by name and id, listed and deleted", withPython, async () => {
  const built = await Image.debianSlim().runCommands(`echo ${process.pid}.${performance.now()} > /mark`).build();
  const printed = await client.python(`
import modal
from modal.exception import NotFoundError
app = modal.App.lookup("modal-python", create_if_missing=True)
image = modal.Image.from_id("${built.id}")
image.build(app)
image.publish("modal-py-image:v1")
sandbox = modal.Sandbox.create("cat", "/mark", app=app, image=modal.Image.from_name("modal-py-image:v1"), timeout=60)
print(sandbox.stdout.read().strip() != "")
sandbox.terminate(wait=True)
try: modal.Image.from_name("modal-py-image:v2").build(app)
except NotFoundError as error: print(error)
try: modal.Image.from_id("im-0000000000000000000000x").build(app)
except NotFoundError as error: print(error)
`);
  assert.deepEqual(printed.split("\n"), [
    "True",
    "Image 'modal-py-image:v2' not found",
    "Could not find image with ID im-0000000000000000000000x",
    "",
  ]);
  assert.deepEqual((await Image.info(built.id)).names, ["modal-py-image:v1"]);
  const listed = JSON.parse(await client.modal("image", "names", "list", "--json", "--prefix", "modal-py-image"));
  assert.deepEqual(
    listed.map(({ tag, image_id }: Record<string, string>) => [tag, image_id]),
    [["modal-py-image:v1", built.id]],
  );
  await Image.delete("modal-py-image:v1");
});

test("images are built layer by layer, and a build that fails is an error that says how", withPython, async () => {
  const stamp = `${process.pid}.${performance.now()}`;
  const printed = await client.python(`
import modal
from modal.exception import ImageBuildError
app = modal.App.lookup("modal-python", create_if_missing=True)
image = (modal.Image.debian_slim().env({"GREETING": "hi there"}).workdir("/srv/app")
    .run_commands("echo ${stamp} > stamp", "echo $TOKEN >> stamp", secrets=[modal.Secret.from_dict({"TOKEN": "lent"})]))
sandbox = modal.Sandbox.create("sh", "-c", "cat stamp; pwd; echo $GREETING $TOKEN", app=app, image=image, timeout=60)
print(sandbox.stdout.read(), end="")
sandbox.terminate(wait=True)
with modal.enable_output():
    try: image.run_commands("echo written by the step; exit 7").build(app)
    except ImageBuildError as error: print("failed:", "exit code 7" in str(error), "written by the step" in str(error))
`);
  assert.match(printed, new RegExp(`${stamp}\nlent\n/srv/app\nhi there\n`));
  assert.match(printed, /failed: True True/);
});

test("volumes are made, written, mounted, listed, copied, renamed and deleted", withPython, async () => {
  const printed = await client.python(`
import io, modal
from modal.exception import AlreadyExistsError, NotFoundError
app = modal.App.lookup("modal-python", create_if_missing=True)
volume = modal.Volume.from_name("modal-py-volume", create_if_missing=True)
with volume.batch_upload() as batch:
    batch.put_file(io.BytesIO(b"from outside"), "/data/in.txt", mode=0o600)
try:
    with volume.batch_upload() as batch: batch.put_file(io.BytesIO(b"again"), "/data/in.txt")
except FileExistsError: print("exists")
with volume.batch_upload(force=True) as batch: batch.put_file(io.BytesIO(b"replaced"), "/data/in.txt")
script = "cat /v/data/in.txt && echo && echo made > /v/out.txt && stat -c %a /v/data"
sandbox = modal.Sandbox.create("sh", "-c", script, app=app, volumes={"/v": volume}, timeout=60)
print(sandbox.stdout.read(), end="")
sandbox.wait()
print(sorted((entry.path, entry.type.name) for entry in volume.listdir("/", recursive=True)))
volume.copy_files(["out.txt"], "copy.txt")
volume.remove_file("data", recursive=True)
try: volume.remove_file("none")
except FileNotFoundError: print("not found")
part = {"/v": volume.with_mount_options(read_only=True)} if hasattr(volume, "with_mount_options") else {"/v": volume}
reader = modal.Sandbox.create("sh", "-c", "ls /v; touch /v/x 2>&1", app=app, volumes=part, timeout=60)
print(reader.stdout.read(), end="")
reader.terminate(wait=True)
print(modal.Volume.from_id(volume.object_id).hydrate().object_id == volume.object_id)
modal.Volume.rename("modal-py-volume", "modal-py-renamed")
try: modal.Volume.from_name("modal-py-volume").hydrate()
except NotFoundError as error: print(error)
try: modal.Volume.objects.create("modal-py-renamed")
except AlreadyExistsError as error: print(error)
print([each.name for each in modal.Volume.objects.list() if each.name == "modal-py-renamed"])
modal.Volume.objects.delete("modal-py-renamed")
with modal.Volume.ephemeral() as ephemeral:
    print(ephemeral.object_id.startswith("vo-"), ephemeral.listdir("/"))
`);
  assert.deepEqual(printed.split("\n"), [
    "exists",
    "replaced",
    "755",
    "[('data', 'DIRECTORY'), ('data/in.txt', 'FILE'), ('out.txt', 'FILE')]",
    "not found",
    "copy.txt",
    "out.txt",
    "touch: cannot touch '/v/x': Read-only file system",
    "True",
    "Volume 'modal-py-volume' not found",
    "Volume 'modal-py-renamed' already exists",
    "['modal-py-renamed']",
    "True []",
    "",
  ]);
  await assert.rejects(Volume.fromName("modal-py-renamed"));
});

test("the command manages secrets, and lists apps and environments", withPython, async () => {
  await client.modal("secret", "create", "modal-py-cli", "A=1", "B=2");
  assert.ok(
    JSON.parse(await client.modal("secret", "list", "--json")).some((row: object) =>
      Object.values(row).includes("modal-py-cli"),
    ),
  );
  assert.deepEqual((await Secret.lookup("modal-py-cli", { requiredKeys: ["A", "B"] })).name, "modal-py-cli");
  await client.modal("secret", "create", "--force", "modal-py-cli", "C=3");
  await assert.rejects(Secret.lookup("modal-py-cli", { requiredKeys: ["A"] }), /has no A/);
  await client.modal("secret", "delete", "--yes", "modal-py-cli");
  await assert.rejects(Secret.lookup("modal-py-cli"));
  assert.match(await client.modal("environment", "list", "--json"), /"main"/);
  assert.match(await client.modal("app", "list", "--json"), /modal-python/);
});

test("files of a sandbox are written, read, listed, described, watched and removed", withPython, async () => {
  const printed = await client.python(`
import modal, modal.exception as exception
app = modal.App.lookup("modal-python", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, timeout=120)
files = sandbox.filesystem
files.write_text("grüße", "/srv/w/deep/hello")
print(files.read_text("/srv/w/deep/hello"), len(files.read_bytes("/srv/w/deep/hello")))
data = bytes(range(256)) * 20000
files.write_bytes(data, "/srv/w/large")
print(files.read_bytes("/srv/w/large") == data)
files.make_directory("/srv/w/new")
print([(info.name, info.path, info.owner) for info in files.list_files("/srv/w")])
print(files.stat("/srv/w/large").size, files.stat("/srv/w/large").permissions)
busy = sandbox.exec("sh", "-c", "while ! [ -e /stop ]; do touch /srv/w/new/file; sleep 0.2; rm /srv/w/new/file; done")
for event in files.watch("/srv/w/new"):
    print(event.paths)
    break
print(list(files.watch("/srv/w/new", timeout=0)))
files.write_text("", "/stop")
files.remove("/srv/w", recursive=True)
for act in (lambda: files.read_text("/srv/w"), lambda: files.write_text("", "/tmp"), lambda: files.list_files("/stop")):
    try:
        act()
    except exception.SandboxFilesystemError as error:
        print(type(error).__name__)
sandbox.terminate()
`);
  assert.deepEqual(printed.trimEnd().split("\n"), [
    "grüße 7",
    "True",
    "[('deep', '/srv/w/deep', 'root'), ('large', '/srv/w/large', 'root'), ('new', '/srv/w/new', 'root')]",
    "5120000 0644",
    "['/srv/w/new/file']",
    "[]",
    "SandboxFilesystemNotFoundError",
    "SandboxFilesystemIsADirectoryError",
    "SandboxFilesystemNotADirectoryError",
  ]);
});

/** Files of volumes through the official Python client and its command: small and large, of both versions. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { useServer } from "../support/server.ts";
import { usePython, withPython } from "./python-client.ts";

const python = usePython("modal-py-volumes");
useServer();
let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "atoll-modal-"));
});
after(() => rm(directory, { recursive: true }));

/** Blocks have 8 MiB, and come without the zeros at their end. */
const program = (version: 1 | 2) => `
import hashlib, io, os, modal
app = modal.App.lookup("modal-py-volumes", create_if_missing=True)
name = "modal-py-files-${randomUUID()}"
volume = modal.Volume.from_name(name, create_if_missing=True, version=${version})
files = {
    "large": os.urandom(9 * 1024 ** 2), "same/large": None, "zeros": bytes(17 * 1024 ** 2), "empty": b"",
    "holes": b"begin" + bytes(8 * 1024 ** 2) + b"end" + bytes(1024), "small": b"small",
}
files["same/large"] = files["large"]
with volume.batch_upload() as batch:
    for path, data in files.items(): batch.put_file(io.BytesIO(data), "/" + path, mode=0o640)
print({path: b"".join(volume.read_file(path)) == data for path, data in files.items()})
target = io.BytesIO()
print(volume.read_file_into_fileobj("same/large", target) == len(files["large"]), target.getvalue() == files["large"])
try:
    with volume.batch_upload() as batch: batch.put_file(io.BytesIO(b"x"), "small")
except FileExistsError: print("exists")
for path in ("none", "same"):
    try: list(volume.read_file(path))
    except Exception as error: print(type(error).__name__)
volume.copy_files(["small"], "copy")
volume.remove_file("same", recursive=True)
print(sorted(entry.path for entry in volume.listdir("/", recursive=True)))
sandbox = modal.Sandbox.create("sh", "-c", "stat -c %a /v/large; sha256sum < /v/large; sleep 300", app=app, volumes={"/v": volume}, timeout=300)
lines = iter(sandbox.stdout)
print(next(lines).strip(), next(lines).split()[0] == hashlib.sha256(files["large"]).hexdigest())
sandbox.exec("sh", "-c", "echo inside > /v/inside").wait()
volume.commit()
print(b"".join(volume.read_file("inside")))
with volume.batch_upload() as batch: batch.put_file(io.BytesIO(b"outside"), "outside")
volume.reload()
print(sandbox.exec("cat", "/v/outside").stdout.read())
sandbox.terminate(wait=True)
try: modal.Volume.from_name(name, version=${3 - version}).hydrate()
except Exception as error: print("has version v${version}" in str(error))
modal.Volume.objects.delete(name)
`;

for (const [client, version] of [
  ["1.5.4", 1],
  ["1.5.4", 2],
  ["1.6.4", 2],
] as const) {
  test(
    `${client}: files of a volume of version ${version} come and go whole, whatever their size`,
    withPython,
    async () => {
      const printed = await (await python(client)).python(program(version));
      const paths = ["copy", "empty", "holes", "large", "small", "zeros"];
      assert.deepEqual(printed.trimEnd().split("\n"), [
        "{'large': True, 'same/large': True, 'zeros': True, 'empty': True, 'holes': True, 'small': True}",
        "True True",
        "exists",
        "FileNotFoundError",
        "ConflictError",
        `[${paths.map((path) => `'${path}'`).join(", ")}]`,
        "640 True",
        "b'inside\\n'",
        "outside",
        "True",
      ]);
    },
  );
}

test(
  "the command makes, fills, lists, empties, renames and deletes volumes, and gets what is in them",
  withPython,
  async () => {
    const { modal } = await python("1.5.4");
    const name = `modal-py-cli-${randomUUID()}`;
    await mkdir(join(directory, "tree/deep"), { recursive: true });
    const large = randomBytes(5 * 1024 ** 2);
    await writeFile(join(directory, "tree/deep/large"), large);
    await writeFile(join(directory, "tree/note"), "note");
    await modal("volume", "create", name, "--version", "2");
    await modal("volume", "put", name, join(directory, "tree"), "/tree");
    await modal("volume", "put", name, join(directory, "tree/note"), "/");
    await assert.rejects(modal("volume", "put", name, join(directory, "tree/note"), "/"));
    await modal("volume", "put", "--force", name, join(directory, "tree/note"), "/");
    await modal("volume", "cp", name, "note", "copy");
    await modal("volume", "cp", "-r", name, "tree", "twin");
    await modal("volume", "rm", "-r", name, "tree");
    await modal("volume", "rename", "--yes", name, `${name}-new`);
    assert.deepEqual((await modal("volume", "ls", `${name}-new`)).trim().split("\n"), ["copy", "note", "twin"]);
    const listed = JSON.parse(await modal("volume", "ls", "--json", `${name}-new`, "twin"));
    assert.deepEqual(
      listed.map((row: Record<string, string>) => row.filename ?? row.Filename),
      ["twin/deep", "twin/note"],
    );
    await mkdir(join(directory, "got"));
    await modal("volume", "get", `${name}-new`, "twin", join(directory, "got"));
    assert.deepEqual((await readdir(join(directory, "got"), { recursive: true })).sort(), [
      "twin",
      "twin/deep",
      "twin/deep/large",
      "twin/note",
    ]);
    assert.ok((await readFile(join(directory, "got/twin/deep/large"))).equals(large));
    assert.match(await modal("volume", "get", `${name}-new`, "note", "-"), /^note/);
    assert.match(await modal("volume", "list", "--json"), new RegExp(`${name}-new`));
    await modal("volume", "delete", "--yes", `${name}-new`);
    await assert.rejects(modal("volume", "ls", `${name}-new`), /not found/);
  },
);

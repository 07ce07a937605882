/** Images of the official Python client that have files of its machine. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { useServer } from "../support/server.ts";
import { pythonVersions, usePython, withPython } from "./python-client.ts";

const python = usePython("modal-py-images");
useServer();
const stamp = randomUUID();
let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "atoll-modal-"));
  await mkdir(join(directory, "package/deep"), { recursive: true });
  await writeFile(join(directory, "package/__init__.py"), "ANSWER = 41\n");
  await writeFile(join(directory, "package/deep/more.py"), "from package import ANSWER\n");
  await writeFile(join(directory, "run.sh"), `#!/bin/sh\necho run ${stamp}\n`);
  await chmod(join(directory, "run.sh"), 0o750);
});
after(() => rm(directory, { recursive: true }));

const preamble = () => `
import hashlib, os, pathlib, sys, modal
from modal.exception import ImageBuildError, InvalidError, NotFoundError
sys.path.insert(0, "${directory}")
here = pathlib.Path("${directory}")
app = modal.App.lookup("modal-py-images", create_if_missing=True)
def printed(image, script):
    sandbox = modal.Sandbox.create("sh", "-c", script, app=app, image=image, timeout=100)
    print(sandbox.stdout.read(), end="")
    sandbox.wait()
`;

for (const version of pythonVersions) {
  test(
    `${version}: local files are there when a sandbox starts, large ones and executable ones too`,
    withPython,
    async () => {
      const client = await python(version);
      const printed = await client.python(`${preamble()}
large = os.urandom(5 * 1024 ** 2)
(here / "large").write_bytes(large)
image = (modal.Image.debian_slim().add_local_dir(here / "package", "/srv/package")
    .add_local_file(here / "run.sh", "/srv/run.sh").add_local_file(here / "large", "/srv/data/large")
    .add_local_python_source("package"))
printed(image, "/srv/run.sh; find /srv /root/package -type f | sort; stat -c %a:%u /srv/run.sh; sha256sum < /srv/data/large; echo x >> /srv/run.sh && echo writable")
print(hashlib.sha256(large).hexdigest())
try: image.run_commands("true").build(app)
except InvalidError as error: print("add_local" in str(error))
`);
      const [run, ...lines] = printed.trimEnd().split("\n");
      assert.equal(run, `run ${stamp}`);
      const files = [
        "/root/package/__init__.py",
        "/root/package/deep/more.py",
        "/srv/data/large",
        "/srv/package/__init__.py",
        "/srv/package/deep/more.py",
        "/srv/run.sh",
      ];
      assert.deepEqual(lines.slice(0, 7), [...files, "750:0"]);
      const [digest = "", writable, expected = "", refused] = lines.slice(7);
      assert.equal(digest.slice(0, 64), expected);
      assert.deepEqual([writable, refused], ["writable", "True"]);
    },
  );

  test(
    `${version}: local files become a layer that later steps build on, and changed ones another layer`,
    withPython,
    async () => {
      const client = await python(version);
      const printed = await client.python(`${preamble()}
image = modal.Image.debian_slim().add_local_file(here / "run.sh", "/srv/run.sh", copy=True).run_commands("/srv/run.sh > /said")
printed(image, "cat /said")
printed(modal.Image.debian_slim().dockerfile_commands(["COPY package/deep /deep", "RUN ls /deep > /listed"], context_dir=here), "cat /listed")
(here / "changing").write_text("${version} one")
def changing(): return modal.Image.debian_slim().add_local_file(here / "changing", "/changing", copy=True).run_commands("cat /changing > /seen")
printed(changing(), "cat /seen; echo")
(here / "changing").write_text("${version} two")
printed(changing(), "cat /seen; echo")
`);
      assert.deepEqual(printed.split("\n"), [`run ${stamp}`, "more.py", `${version} one`, `${version} two`, ""]);
    },
  );
}

test(
  "a Dockerfile is built with its context and arguments, and what it wrote can be read later",
  withPython,
  async () => {
    const client = await python("1.6.4");
    const printed = await client.python(`${preamble()}
(here / "Dockerfile").write_text("ARG WHO\\nFROM debian:bookworm-slim\\nARG WHO\\nCOPY package /srv/package\\nCOPY *.sh /srv/\\nRUN echo built for $WHO ${stamp}\\nENTRYPOINT [\\"/srv/run.sh\\"]\\n")
image = modal.Image.from_dockerfile(here / "Dockerfile", context_dir=here, build_args={"WHO": "somebody"}).run_commands("echo on top ${stamp}")
image.build(app)
printed(image.entrypoint([]), "ls /srv")
for broken in ("FROM debian:bookworm-slim\\nCOPY absent /\\n", "FROM debian:bookworm-slim\\nWHAT\\n"):
    (here / "Broken").write_text(broken)
    try: modal.Image.from_dockerfile(here / "Broken", context_dir=here).build(app)
    except ImageBuildError as error: print("cannot" in str(error))
try: modal.Image.from_registry("debian:bookworm-slim", add_python="3.11").build(app)
except NotFoundError as error: print("python" in str(error))
image.publish("modal-py-logged:v1")
print(image.object_id)
`);
    const [first, second, ...lines] = printed.trimEnd().split("\n");
    const id = lines.pop() ?? "";
    assert.deepEqual([first, second, ...lines], ["package", "run.sh", "True", "True", "True"]);
    assert.equal(await client.modal("image", "logs", id), `on top ${stamp}\n`);
    assert.equal(await client.modal("image", "logs", "--all", id), `built for somebody ${stamp}\non top ${stamp}\n`);
    const history = await client.modal("image", "names", "history", "--json", "modal-py-logged:v1");
    assert.equal(JSON.parse(history)[0].image_id, id);
    await client.modal("image", "names", "delete", "--yes", "modal-py-logged:v1");
    await assert.rejects(client.modal("image", "names", "history", "modal-py-logged:v1"), /not found/);
  },
);

/** Images of the official Python client that have files of its machine. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { useServer } from "../support/server.ts";
import { pythonVersions, usePython } from "./python-client.ts";

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
  await writeFile(join(directory, "requirements.txt"), "six==1.16.0\n");
  await writeFile(
    join(directory, "Dockerfile"),
    "FROM debian:bookworm-slim\nCOPY package /srv/package\nCOPY *.sh /srv/\n",
  );
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
  test(`${version}: local files are there when a sandbox starts, large ones and executable ones too`, async () => {
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
  });

  test(`${version}: local files become a layer that later steps build on, and changed ones another layer`, async () => {
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
  });
}

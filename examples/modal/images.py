"""Images built from code and from files of this machine, for sandboxes of Modal's Python client on Atoll.

    eval "$(atoll token create --modal example)"
    python examples/modal/images.py
"""

import pathlib
import tempfile

import modal

app = modal.App.lookup("atoll-examples", create_if_missing=True)
local = pathlib.Path(tempfile.mkdtemp())
(local / "greeting.txt").write_text("hello from this machine\n")
(local / "count.sh").write_text("wc -c < /srv/greeting.txt > /srv/size\n")

image = (
    modal.Image.debian_slim()
    .env({"NAME": "Atoll"})
    .workdir("/srv")
    # Part of the image: later steps can use them.
    .add_local_file(local / "greeting.txt", "/srv/greeting.txt", copy=True)
    .add_local_file(local / "count.sh", "/srv/count.sh", copy=True)
    .run_commands("sh /srv/count.sh")
)
# Not part of it: a change of this file builds nothing anew.
(local / "later.txt").write_text("and this one came along\n")
image = image.add_local_file(local / "later.txt", "/srv/later.txt")

sandbox = modal.Sandbox.create("sh", "-c", "echo $NAME; cat greeting.txt size later.txt", app=app, image=image, timeout=60)
print(sandbox.stdout.read(), end="")
sandbox.wait()

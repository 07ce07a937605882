"""A volume that is filled from outside, used by two sandboxes, and read again, with Modal's Python client on Atoll.

    eval "$(atoll token create --modal example)"
    python examples/modal/volumes.py
"""

import io

import modal

app = modal.App.lookup("atoll-examples", create_if_missing=True)

with modal.Volume.ephemeral() as volume:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"3 1 2\n"), "/numbers")

    script = "tr ' ' '\\n' < /data/numbers | sort > /data/sorted"
    sorter = modal.Sandbox.create("sh", "-c", script, app=app, volumes={"/data": volume}, timeout=60)
    sorter.wait()

    # What a sandbox wrote is committed before it counts as finished.
    reader = modal.Sandbox.create("cat", "/data/sorted", app=app, volumes={"/data": volume}, timeout=60)
    print("in a sandbox:", reader.stdout.read().split())
    reader.wait()

    print("from outside:", b"".join(volume.read_file("sorted")).split())
    print("files:", sorted(entry.path for entry in volume.listdir("/")))

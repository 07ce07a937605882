import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("bash", "-c", "for i in {1..3}; do echo $i; echo problem $i >&2; sleep 0.2; done", app=app)
for line in sandbox.stdout:
    print(f"Output: {line}", end="")
print("stderr:", sandbox.stderr.read())
sandbox.wait()

import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("bash", app=app, pty=True)
setup = sandbox.exec("sh", "-c", "echo prepared > /mark")
setup.wait()
snapshot = sandbox.snapshot_filesystem()
sandbox.terminate()
fast_sandbox = modal.Sandbox.create("cat", "/mark", app=app, image=snapshot)
print(fast_sandbox.stdout.read())
fast_sandbox.wait()

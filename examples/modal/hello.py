import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("echo", "Hello, world!", app=app)
print(sandbox.stdout.read())
sandbox.wait()

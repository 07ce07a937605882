import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("sleep", "1000", app=app, timeout=1)
try:
    sandbox.wait()
except modal.exception.SandboxTimeoutError:
    print("Sandbox timed out")
print(sandbox.returncode)

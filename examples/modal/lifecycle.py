import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("sleep", "100", app=app)
if sandbox.poll() is None:
    print("Still running")
else:
    print("Completed")
sandbox.terminate()
sandbox.wait(raise_on_termination=False)
print(f"Exit code: {sandbox.returncode}")

import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("bash", app=app, pty=True, workdir="/usr")
try:
    process = sandbox.exec("ls")
    process.wait()
    print("bin" in process.stdout.read().split())
    print(sandbox.exec("pwd").stdout.read())
finally:
    sandbox.terminate()

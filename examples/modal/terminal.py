import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("bash", app=app, pty=True)
sandbox.stdin.write("echo Hello from $(tty)\n")
sandbox.stdin.write("exit\n")
sandbox.stdin.drain()
print(sandbox.stdout.read())
sandbox.wait()

import modal

app = modal.App.lookup("my-app", create_if_missing=True)
sandbox = modal.Sandbox.create("bash", app=app, pty=True)
try:
    file = sandbox.open("/tmp/test.txt", "w")
    file.write("Hello, Sandbox!")
    file.close()
    print(sandbox.exec("cat", "/tmp/test.txt").stdout.read())
    sandbox.filesystem.write_text("and again", "/tmp/other.txt")
    print(sandbox.filesystem.read_text("/tmp/other.txt"))
finally:
    sandbox.terminate()

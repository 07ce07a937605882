import modal

app = modal.App.lookup("my-app", create_if_missing=True)
server = modal.Sandbox.create("python3", "-m", "http.server", "8000", app=app, encrypted_ports=[8000], timeout=60)
print(list(server.tunnels()))
server.terminate()

script = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
blocked = modal.Sandbox.create("python3", "-c", script, app=app, block_network=True, timeout=60)
blocked.wait(raise_on_termination=False)
print("reached" if blocked.returncode == 0 else "blocked")

// A sandbox that reaches nothing but itself.
import { App, Sandbox } from "@atoll/sdk";

const program = `
import os, socket
server = socket.create_server(("127.0.0.1", 80))
socket.create_connection(server.getsockname())
print("loopback works")
try:
    socket.create_connection(("192.0.2.1", 80), 2)
except OSError as error:
    print("cannot connect:", os.strerror(error.errno))
`;

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("python3", "-c", program, { app, blockNetwork: true });
console.log(await sandbox.stdout.read());
await sandbox.wait();

// A sandbox that reaches nothing but itself.
import { App, Sandbox } from "@atoll/sdk";

const program = `
import os, socket
print("interfaces:", *sorted(name for _, name in socket.if_nameindex()))
try:
    socket.create_connection(("192.0.2.1", 80), 2)
except OSError as error:
    print("cannot connect:", os.strerror(error.errno))
`;

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("python3", "-c", program, { app, blockNetwork: true });
console.log(await sandbox.stdout.read());
await sandbox.wait();

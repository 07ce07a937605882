// An interactive shell in a terminal, driven by a program.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("bash", { app, pty: { rows: 24, cols: 80 } });

await sandbox.resize(40, 120);
sandbox.stdin.write("echo Hello from $(tty) $(stty size | tr ' ' x)\n");
sandbox.stdin.write("exit\n");
await sandbox.stdin.drain();

console.log(await sandbox.stdout.read());
await sandbox.wait();

// An interactive Python, with a terminal so that it behaves as it does for a person.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("python3", { app, pty: true });

sandbox.stdin.write("import sys\n");
sandbox.stdin.write("print('the answer is', 6 * 7)\n");
sandbox.stdin.write("exit()\n");
await sandbox.stdin.drain();

console.log(await sandbox.stdout.read());
console.log("exit code:", (await sandbox.wait()).returncode);

// Looking without waiting.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("cat", { app });

if ((await sandbox.poll()) === null) console.log("Still running");
sandbox.stdin.writeEof();
await sandbox.stdin.drain();
await sandbox.wait();
if ((await sandbox.poll()) !== null) console.log("Completed with", sandbox.returncode);

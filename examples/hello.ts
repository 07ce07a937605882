// A sandbox runs one command; its output is read when it has ended.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("echo", "Hello, world!", { app });
console.log(await sandbox.stdout.read());
await sandbox.wait();

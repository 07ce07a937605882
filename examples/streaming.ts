// Output arrives line by line, while the command runs.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("bash", "-c", "for i in {1..5}; do echo $i; sleep 0.2; done", { app });

for await (const line of sandbox.stdout) console.log(`Output: ${line}`);
await sandbox.wait();

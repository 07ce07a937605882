// Waiting for the end, and the exit code.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("sh", "-c", "sleep 0.5; exit 4", { app });
const result = await sandbox.wait();
console.log(`Exit code: ${result.returncode}`);

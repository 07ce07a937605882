// Standard error is a stream of its own.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("bash", "-c", "echo error >&2", { app });
console.log("stdout:", await sandbox.stdout.read());
console.log("stderr:", await sandbox.stderr.read());
await sandbox.wait();

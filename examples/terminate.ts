// Ending a sandbox by hand.
import { App, Sandbox, SandboxTerminatedError } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
const sandbox = await Sandbox.create("sleep", "1000", { app });
// Do some work...
await sandbox.terminate();

try {
  await sandbox.wait();
} catch (error) {
  if (!(error instanceof SandboxTerminatedError)) throw error;
  console.log("Terminated with exit code", error.result.exitCode);
}
console.log("Without an exception:", (await sandbox.wait({ raiseOnTermination: false })).kind);

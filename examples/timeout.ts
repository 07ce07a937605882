// A sandbox does not outlive its time limit.
import { App, Sandbox, SandboxTimeoutError } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("sleep", "1000", { app, timeoutMs: 1_000 });

try {
  await sandbox.wait();
} catch (error) {
  if (!(error instanceof SandboxTimeoutError)) throw error;
  console.log("Sandbox timed out with exit code", error.result.exitCode);
}

// A sandbox that nobody uses ends before its longest lifetime.
import { App, Sandbox, SandboxTimeoutError } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app, timeoutMs: 3_600_000, idleTimeoutMs: 1_000 });

const busy = await sandbox.exec("sh", "-c", "sleep 2; echo in use for longer than that");
console.log(await busy.stdout.read());

try {
  await sandbox.wait();
} catch (error) {
  if (!(error instanceof SandboxTimeoutError)) throw error;
  console.log("Ended:", error.result.kind);
}

// Every wait can be given up.
import { App, Sandbox, TimeoutError } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("sleep", "1000", { app });

try {
  await sandbox.stdout.read({ signal: AbortSignal.timeout(300) });
} catch (error) {
  if (!(error instanceof TimeoutError)) throw error;
  console.log("gave up reading");
}
console.log("running:", (await sandbox.poll()) === null);

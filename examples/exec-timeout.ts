// A command's own time limit ends the command; the sandbox goes on.
import { App, ExecTimeoutError, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app });

const slow = await sandbox.exec("sleep", "1000", { timeoutMs: 500 });
try {
  await slow.wait();
} catch (error) {
  if (!(error instanceof ExecTimeoutError)) throw error;
  console.log("Command timed out with exit code", error.result.exitCode);
}

const next = await sandbox.exec("echo", "still here");
console.log(await next.stdout.read());

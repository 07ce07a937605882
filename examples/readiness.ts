// Waiting until a service inside the sandbox answers.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("sh", "-c", "sleep 0.5; exec python3 -m http.server 8000", {
  app,
  readinessProbe: { tcpPort: 8000, intervalMs: 50 },
});
await sandbox.waitUntilReady({ timeoutMs: 60_000 });

const get = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/').status)";
const client = await sandbox.exec("python3", "-c", get);
console.log("status:", await client.stdout.read());

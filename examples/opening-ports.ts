// Opens a port of a sandbox: the service behind it is reached over TLS.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("examples", { createIfMissing: true });
await using sandbox = await Sandbox.create("python3", "-m", "http.server", "8000", { app, encryptedPorts: [8000] });

const tunnel = (await sandbox.tunnels())[8000];
console.log(tunnel?.url);
console.log("has a label:", tunnel?.host.endsWith(".localhost"));

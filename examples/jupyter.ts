// Jupyter in a sandbox, used from your browser, which trusts its certificate after `atoll trust`.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { App, Image, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
const token = randomUUID();
const argv = ["jupyter", "notebook", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--allow-root"];
await using sandbox = await Sandbox.create(argv, {
  app,
  image: Image.debianSlim().pipInstall("jupyter"),
  encryptedPorts: [8888],
  env: { JUPYTER_TOKEN: token },
  timeoutMs: 3_600_000,
});

// Open it at once: until Jupyter listens, the page says so and tries again.
console.log("Jupyter URL:", `${(await sandbox.tunnels())[8888]?.url}/tree?token=${token}`);
if (process.stdout.isTTY) await once(process, "SIGINT");

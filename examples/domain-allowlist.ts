// A sandbox that reaches servers by a few names alone, and what it was refused.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app, outboundDomainAllowlist: ["api.example.com", "*.example.org"] });
const process = await sandbox.exec(
  "sh",
  "-c",
  "getent hosts example.net || echo no such name; curl -sS http://192.0.2.1/",
);
console.log(await process.stdout.read());
for (const { protocol, destination, port, verdict } of await sandbox.network.log())
  console.log(protocol, destination, port, verdict);

// A sandbox that reaches one range of addresses, until its policy is changed while it runs.
import { App, Sandbox } from "@atoll/sdk";

const program = `
import os, socket
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print("cannot connect:", os.strerror(error.errno))
`;

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app, outboundCidrAllowlist: ["203.0.113.0/24"] });
const process = await sandbox.exec("python3", "-c", program);
console.log(await process.stdout.read());
await sandbox.updateNetworkPolicy({ blockNetwork: true });
console.log("may reach:", sandbox.lastInfo.blockNetwork ? "nothing" : sandbox.lastInfo.outboundCidrAllowlist);

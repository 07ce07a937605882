// The working directory of all commands, and of one.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app, workdir: "/usr/lib" });

const inherited = await sandbox.exec("pwd");
console.log(await inherited.stdout.read());

const its = await sandbox.exec("pwd", { workdir: "/tmp" });
console.log(await its.stdout.read());

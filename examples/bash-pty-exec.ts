// A shell with a terminal keeps the sandbox running, and commands run beside it.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("bash", { app, pty: true });

const list = await sandbox.exec("ls", "-la", "/");
await list.wait();
console.log(await list.stdout.read());

const where = await sandbox.exec("pwd", { workdir: "/usr" });
console.log(await where.stdout.read());

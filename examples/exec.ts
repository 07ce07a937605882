// Further commands in a running sandbox. Without a command of its own, it waits for them.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app });

const write = await sandbox.exec("sh", "-c", "echo from the first > /tmp/note");
console.log("exit code:", (await write.wait()).returncode);

const read = await sandbox.exec("cat", "/tmp/note");
console.log(await read.stdout.read());

const fail = await sandbox.exec("sh", "-c", "exit 3");
console.log("exit code:", (await fail.wait()).returncode);

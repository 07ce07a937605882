// Bytes for a command, and the end of the file.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app });

const sort = await sandbox.exec("sort");
for (const fruit of ["pear", "apple", "fig"]) sort.stdin.write(`${fruit}\n`);
sort.stdin.writeEof();
await sort.stdin.drain();
console.log(await sort.stdout.read());

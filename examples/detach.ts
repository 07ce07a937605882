// A sandbox that outlives the block that made it, and output that is continued by another handle.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });

async function start(): Promise<{ id: string; offset: number }> {
  await using sandbox = await Sandbox.create("sh", "-c", "for i in 1 2 3 4; do echo line $i; sleep 0.1; done", { app });
  for await (const line of sandbox.stdout) {
    console.log("first handle:", line);
    if (line === "line 2") break;
  }
  sandbox.detach();
  return { id: sandbox.id, offset: sandbox.stdout.offset };
}

const { id, offset } = await start();
await using again = await Sandbox.fromId(id);
for await (const line of again.stdout.from(offset)) console.log("second handle:", line);

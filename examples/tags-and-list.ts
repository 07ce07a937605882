// Finding sandboxes again by their tags, their name, or their id.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
const run = crypto.randomUUID().slice(0, 8);
await using _web = await Sandbox.create({ app, tags: { run, role: "web" } });
await using worker = await Sandbox.create({ app, name: `worker-${run}`, tags: { run, role: "worker" } });

let count = 0;
for await (const _sandbox of Sandbox.list({ app, tags: { run } })) count += 1;
console.log(`found by tag: ${count}`);

for await (const sandbox of Sandbox.list({ app, tags: { run, role: "worker" } })) {
  console.log("the worker:", sandbox.id === worker.id);
}

await worker.setTags({ run, role: "retired" });
const byName = await Sandbox.fromName(app, `worker-${run}`);
console.log("by name:", byName.id === worker.id, byName.lastInfo.tags.role);
console.log("by id:", (await Sandbox.fromId(worker.id)).id === worker.id);

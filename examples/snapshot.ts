// One sandbox prepared, and two that go on from the same files apart from each other.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("examples", { createIfMissing: true });
await using prepared = await Sandbox.create({ app });
await (await prepared.exec("sh", "-c", "mkdir /project && echo shared > /project/base")).wait();
const snapshot = await prepared.snapshotFilesystem();

for (const name of ["left", "right"]) {
  await using fork = await Sandbox.create("sh", "-c", `echo ${name} > /project/own && cat /project/base /project/own`, {
    app,
    image: snapshot,
  });
  console.log((await fork.stdout.read()).trim().replaceAll("\n", " "));
}
